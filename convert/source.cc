#include "convert/source.h"

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "convert/source_layout.h"
#include "core/error.h"
#include "io/json_fields.h"
#include "io/model_file.h"
#include "io/printable.h"
#include "quant/float16.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLargestSmallFile = int64_t{256} << 20;

std::optional<SourceType> parse_type(std::string_view dtype) {
  if (dtype == "F32") return SourceType::kF32;
  if (dtype == "F16") return SourceType::kF16;
  if (dtype == "BF16") return SourceType::kBF16;
  return std::nullopt;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text.empty() ? "a single number" : text;
}

// Which file has a tensor; a name in two files would make the result a matter of chance.
std::map<std::string, const SafetensorsFile*, std::less<>> index_tensors(
    const ModelSource& source) {
  std::map<std::string, const SafetensorsFile*, std::less<>> index;
  for (const auto& file : source.files) {
    for (const auto& [name, tensor] : file->tensors()) {
      const auto [found, is_new] = index.emplace(name, file.get());
      if (!is_new) {
        fail(ErrorCode::kFormat, "tensor {} is in {} and in {}; keep one of them", printable(name),
             found->second->path(), file->path());
      }
    }
  }
  return index;
}

SourceTensor check_tensor(const std::string& name, const SafetensorsFile& file,
                          const TensorEntry& planned) {
  const SafeTensor& found = file.tensors().find(name)->second;
  const std::vector<int64_t> expected = planned.order == Order::kPlain
                                            ? std::vector<int64_t>{planned.cols}
                                            : std::vector<int64_t>{planned.rows, planned.cols};
  if (found.shape != expected) {
    fail(ErrorCode::kFormat, "{}: tensor {} is {}, the config says {}", file.path(), name,
         shape_text(found.shape), shape_text(expected));
  }
  const std::optional<SourceType> type = parse_type(found.dtype);
  if (!type) {
    fail(ErrorCode::kFormat, "{}: tensor {} is of type {}, expected BF16, F16 or F32", file.path(),
         name, printable(found.dtype));
  }
  return {.name = name,
          .file = &file.file(),
          .type = *type,
          .offset = found.offset,
          .rows = planned.rows,
          .cols = planned.cols};
}

}  // namespace

bool is_present(const fs::path& path) {
  std::error_code error;
  return fs::status(path, error).type() != fs::file_type::not_found;
}

std::string read_small_file(const fs::path& path) {
  const MappedFile file(path.string());
  if (file.size() > kLargestSmallFile) {
    fail(ErrorCode::kFormat, "{}: {} bytes are too many", path.string(), file.size());
  }
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

nlohmann::json read_json_file(const fs::path& path) {
  return parse_json(read_small_file(path), path.string());
}

void resolve_tensors(ModelSource& source, const NameMapping& name_in_source) {
  const auto index = index_tensors(source);
  for (const TensorEntry& planned : tensor_plan(source.config)) {
    const std::string name = name_in_source(planned.name);
    const auto found = index.find(name);
    if (found == index.end()) {
      fail(ErrorCode::kFormat, "{}: tensor {} is missing; is the download complete?", source.path,
           name);
    }
    source.tensors.push_back(check_tensor(name, *found->second, planned));
  }
}

int64_t sliding_window(int64_t configured, bool mixture, std::vector<std::string>& notes) {
  if (!mixture || configured == 0) return configured;
  notes.push_back(
      fmt::format("the config's sliding window of {} is ignored: Mixtral attends to "
                  "its whole context",
                  configured));
  return 0;
}

std::string folder_name(const fs::path& folder) {
  std::error_code error;
  const fs::path whole = fs::canonical(folder, error);
  return whole.filename().string();
}

ModelSource open_source(const std::string& path) {
  const fs::path folder(path);
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (status.type() == fs::file_type::not_found)
    fail(ErrorCode::kIo, "cannot open {}: no such folder", path);
  if (!fs::is_directory(status)) {
    fail(ErrorCode::kUnsupported,
         "{} is no folder; give the folder with config.json and *.safetensors, or with "
         "params.json and consolidated*.safetensors",
         path);
  }
  if (is_hf_folder(folder)) return open_hf(folder);
  if (is_mistral_folder(folder)) return open_mistral(folder);
  fail(ErrorCode::kFormat,
       "{}: no checkpoint; expected config.json with model.safetensors or "
       "model.safetensors.index.json, or params.json with consolidated*.safetensors",
       path);
}

int64_t source_row(const SourceTensor& tensor, int64_t row) {
  const int64_t head_dim = tensor.interleaved_head_dim, half = head_dim / 2;
  if (head_dim == 0) return row;
  const int64_t in_head = row % head_dim;
  return row - in_head + (in_head < half ? 2 * in_head : 2 * (in_head - half) + 1);
}

void read_row(const SourceTensor& tensor, int64_t row, std::span<float> dst) {
  const std::byte* src =
      tensor.file->bytes().data() + tensor.offset + source_row(tensor, row) * tensor.row_bytes();
  if (tensor.type == SourceType::kF32) {
    std::memcpy(dst.data(), src, dst.size_bytes());
    return;
  }
  for (size_t i = 0; i < dst.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, src + 2 * i, 2);
    dst[i] = tensor.type == SourceType::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
  }
}

}  // namespace octavo
