#include "convert/source.h"

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "convert/gguf.h"
#include "convert/gguf_blocks.h"
#include "convert/safetensors.h"
#include "convert/source_layout.h"
#include "convert/torch_archive.h"
#include "convert/window.h"
#include "core/error.h"
#include "io/json_fields.h"
#include "io/model_file.h"
#include "io/printable.h"
#include "quant/float16.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLargestSmallFile = int64_t{256} << 20;

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text.empty() ? "a single number" : text;
}

// Whether `shape` holds place.parts matrices of the planned one, transposed or not.
bool fits(const std::vector<int64_t>& shape, const TensorEntry& planned, const TensorPlace& place) {
  if (planned.order == Order::kPlain) return shape == std::vector<int64_t>{planned.cols};
  const int64_t first = place.transposed ? planned.cols : planned.rows;
  const int64_t second = place.transposed ? planned.rows : planned.cols;
  if (shape == std::vector<int64_t>{place.parts * first, second}) return true;
  return place.parts > 1 && shape == std::vector<int64_t>{place.parts, first, second};
}

std::vector<int64_t> expected_shape(const TensorEntry& planned, const TensorPlace& place) {
  if (planned.order == Order::kPlain) return {planned.cols};
  std::vector<int64_t> shape = {planned.rows, planned.cols};
  if (place.transposed) std::swap(shape[0], shape[1]);
  if (place.parts > 1) shape.insert(shape.begin(), place.parts);
  return shape;
}

// As Python would say it: "w2[3].T".
std::string place_text(const TensorPlace& place) {
  const std::string part = place.parts > 1 ? fmt::format("[{}]", place.part) : "";
  return place.name + part + (place.transposed ? ".T" : "");
}

SourceTensor check_tensor(const StoredTensor& found, const TensorEntry& planned,
                          const TensorPlace& place) {
  const std::string& path = found.file->path();
  if (!fits(found.shape, planned, place)) {
    fail(ErrorCode::kFormat, "{}: tensor {} is {}, the config says {}", path, place.name,
         shape_text(found.shape), shape_text(expected_shape(planned, place)));
  }
  // The GGUF reader has refused what it does not know; safetensors have no types of blocks.
  const std::optional<SourceType> type = parse_source_type(found.type);
  if (!type || (traits(*type).block_cols > 1 && !is_gguf(found.file->bytes()))) {
    fail(ErrorCode::kFormat, "{}: tensor {} is of type {}, expected one of F32, F16, BF16", path,
         place.name, printable(found.type));
  }
  const int block_cols = traits(*type).block_cols;
  if (planned.cols % block_cols != 0 || (place.transposed && block_cols > 1)) {
    fail(ErrorCode::kFormat, "{}: tensor {} of {} columns cannot be of type {}", path, place.name,
         planned.cols, found.type);
  }
  SourceTensor tensor = {.name = place_text(place),
                         .file = found.file,
                         .type = *type,
                         .offset = found.offset,
                         .rows = planned.rows,
                         .cols = planned.cols,
                         .transposed = place.transposed};
  if (found.bytes != place.parts * tensor.bytes()) {
    fail(ErrorCode::kFormat, "{}: tensor {} has {} bytes, its type and shape take {}", path,
         place.name, found.bytes, place.parts * tensor.bytes());
  }
  tensor.offset += place.part * tensor.bytes();
  return tensor;
}

// Where the first block of a row is.
const std::byte* row_start(const SourceTensor& tensor, int64_t row) {
  const int64_t stride = tensor.transposed ? traits(tensor.type).block_bytes : tensor.row_bytes();
  return tensor.file->bytes().data() + tensor.offset + source_row(tensor, row) * stride;
}

float read_float(SourceType type, const std::byte* src) {
  if (type == SourceType::kF32) {
    float value;
    std::memcpy(&value, src, sizeof value);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, src, sizeof bits);
  return type == SourceType::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
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

void add_stored(StoredTensors& stored, const std::string& name, StoredTensor tensor) {
  const auto [found, is_new] = stored.try_emplace(name, tensor);
  if (is_new) return;
  fail(ErrorCode::kFormat, "tensor {} is in {} and in {}; keep one of them", printable(name),
       found->second.file->path(), tensor.file->path());
}

void add_safetensors(StoredTensors& stored, const std::string& path) {
  const auto file = std::make_shared<const MappedFile>(path);
  for (auto& [name, tensor] : parse_safetensors_header(file->bytes(), file->size(), path)) {
    add_stored(stored, name, {file, tensor.dtype, tensor.shape, tensor.offset, tensor.bytes});
  }
}

void add_torch_archive(StoredTensors& stored, const std::string& path) {
  const auto file = std::make_shared<const MappedFile>(path);
  for (auto& [name, tensor] : parse_torch_archive(file->bytes(), path)) {
    add_stored(stored, name, {file, tensor.type, tensor.shape, tensor.offset, tensor.bytes});
  }
}

UsedNames resolve_tensors(ModelSource& source, const StoredTensors& stored,
                          const PlaceMapping& place) {
  UsedNames used;
  for (const TensorEntry& planned : tensor_plan(source.config)) {
    const TensorPlace wanted = place(planned.name);
    const auto found = stored.find(wanted.name);
    if (found == stored.end()) {
      fail(ErrorCode::kFormat, "{}: tensor {} is missing; is the download complete?", source.path,
           wanted.name);
    }
    source.tensors.push_back(check_tensor(found->second, planned, wanted));
    used.insert(wanted.name);
  }
  return used;
}

void mark_interleaved(ModelSource& source) {
  const std::vector<TensorEntry> plan = tensor_plan(source.config);
  for (size_t i = 0; i < plan.size(); ++i) {
    const bool rotated = plan[i].name.ends_with(".wq") || plan[i].name.ends_with(".wk");
    if (rotated) source.tensors[i].interleaved_head_dim = source.config.head_dim;
  }
}

std::string folder_name(const fs::path& folder) {
  std::error_code error;
  const fs::path whole = fs::canonical(folder, error);
  return whole.filename().string();
}

namespace {

// With the window as the source says.
ModelSource open_layout(const std::string& path) {
  const fs::path folder(path);
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (status.type() == fs::file_type::not_found)
    fail(ErrorCode::kIo, "cannot open {}: no such file or folder", path);
  if (!fs::is_directory(status)) {
    if (is_gguf(MappedFile(path).bytes())) return open_gguf(folder);
    fail(ErrorCode::kUnsupported,
         "{} is no folder and no GGUF file; give a GGUF file, the folder with config.json and "
         "*.safetensors, or the one with params.json and consolidated*.safetensors, *.pt or *.pth",
         path);
  }
  if (is_hf_folder(folder)) return open_hf(folder);
  if (is_mistral_folder(folder)) return open_mistral(folder);
  fail(ErrorCode::kFormat,
       "{}: no checkpoint; expected config.json with model.safetensors or "
       "model.safetensors.index.json, or params.json with consolidated*.safetensors, *.pt or "
       "*.pth",
       path);
}

}  // namespace

ModelSource open_source(const std::string& path, std::optional<int64_t> window) {
  ModelSource source = open_layout(path);
  const std::string line = settle_window(source.config, window);
  if (line.empty()) return source;
  source.notes.push_back(line);
  if (!window) source.warnings.push_back(line);
  return source;
}

int64_t source_row(const SourceTensor& tensor, int64_t row) {
  const int64_t head_dim = tensor.interleaved_head_dim, half = head_dim / 2;
  if (head_dim == 0) return row;
  const int64_t in_head = row % head_dim;
  return row - in_head + (in_head < half ? 2 * in_head : 2 * (in_head - half) + 1);
}

void read_row(const SourceTensor& tensor, int64_t row, std::span<float> dst) {
  const std::byte* src = row_start(tensor, row);
  if (traits(tensor.type).block_cols > 1) return dequantize_blocks(tensor.type, src, dst);
  const int64_t bytes = traits(tensor.type).block_bytes;
  const int64_t stride = tensor.transposed ? tensor.rows * bytes : bytes;
  if (tensor.type == SourceType::kBF16 && !tensor.transposed) {  // most of all: as vector code
    for (size_t i = 0; i < dst.size(); ++i) dst[i] = read_float(SourceType::kBF16, src + 2 * i);
    return;
  }
  for (size_t i = 0; i < dst.size(); ++i) {
    dst[i] = read_float(tensor.type, src + static_cast<int64_t>(i) * stride);
  }
}

bool copy_row(const SourceTensor& tensor, int64_t row, std::byte* dst) {
  const std::byte* src = row_start(tensor, row);
  const int64_t blocks = tensor.cols / traits(tensor.type).block_cols;
  if (!has_finite_scales(tensor.type, src, blocks)) return false;
  copy_blocks(tensor.type, src, blocks, dst);
  return true;
}

void request_rows(const SourceTensor& tensor, int64_t first, int64_t last) {
  if (!tensor.transposed) {
    tensor.file->request(tensor.offset + first * tensor.row_bytes(),
                         (last - first) * tensor.row_bytes());
  } else if (first == 0) {  // every row has bytes everywhere
    tensor.file->request(tensor.offset, tensor.bytes());
  }
}

void release_rows(const SourceTensor& tensor, int64_t first, int64_t last) {
  if (!tensor.transposed) {
    tensor.file->release(tensor.offset + first * tensor.row_bytes(),
                         (last - first) * tensor.row_bytes());
  } else if (last == tensor.rows) {  // every row has bytes everywhere
    tensor.file->release(tensor.offset, tensor.bytes());
  }
}

}  // namespace octavo
