// Checkpoints in Mistral's own layout: params.json, consolidated* as safetensors or as PyTorch's
// archives, tokenizer.model*.
#include <algorithm>
#include <charconv>

#include "convert/source_layout.h"
#include "core/error.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;
constexpr const char* kParams = "params.json";

// "layers.3.experts.5.w1" -> "layers.3.feed_forward.experts.5.w1.weight"
std::string mistral_name(const std::string& name, bool mixture) {
  if (name == "embedding") return "tok_embeddings.weight";
  if (name == "norm" || name == "output") return name + ".weight";
  const size_t layer_end = name.find('.', name.find('.') + 1);
  const std::string layer = name.substr(0, layer_end), part = name.substr(layer_end + 1);
  if (part.ends_with("_norm")) return layer + "." + part + ".weight";
  if (part == "router") return layer + ".feed_forward.gate.weight";
  if (part.size() == 2) return layer + ".attention." + part + ".weight";  // wq, wk, wv, wo
  if (mixture) return layer + ".feed_forward." + part + ".weight";
  return layer + ".feed_forward." + part.substr(part.size() - 2) + ".weight";
}

// The first release of Mixtral 8x7B stacks a layer's experts in one matrix, each w2 transposed:
// "layers.3.experts.5.w2" -> part 5 of "layers.3.block_sparse_moe.w2", [experts * ffn, dim]
TensorPlace stacked_place(const std::string& name, int64_t experts) {
  constexpr std::string_view kExperts = ".experts.", kRouter = ".router";
  if (const size_t at = name.find(kExperts); at != std::string::npos) {
    TensorPlace place;
    place.parts = experts;
    const char* const digits = name.data() + at + kExperts.size();
    std::from_chars(digits, name.data() + name.size(), place.part);
    const std::string matrix = name.substr(name.rfind('.') + 1);
    place.name = name.substr(0, at) + ".block_sparse_moe." + matrix;
    place.transposed = matrix == "w2";
    return place;
  }
  if (name.ends_with(kRouter)) {
    const std::string layer = name.substr(0, name.size() - kRouter.size());
    return {.name = layer + ".block_sparse_moe.gate.weight"};
  }
  return {.name = mistral_name(name, true)};
}

bool has_stacked_experts(const StoredTensors& stored) {
  return std::any_of(stored.begin(), stored.end(), [](const auto& tensor) {
    return tensor.first.find(".block_sparse_moe.") != std::string::npos;
  });
}

// Files of the folder whose names start and end so, sorted.
std::vector<fs::path> files_named(const fs::path& folder, std::string_view prefix,
                                  std::string_view suffix) {
  std::vector<fs::path> found;
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error) fail(ErrorCode::kIo, "cannot read {}: {}", folder.string(), error.message());
  for (const fs::directory_entry& entry : entries) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(suffix)) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// Safetensors, else what PyTorch has written.
std::vector<fs::path> weight_files(const fs::path& folder) {
  std::vector<fs::path> files = files_named(folder, "consolidated", ".safetensors");
  if (!files.empty()) return files;
  for (const char* suffix : {".pt", ".pth"}) {
    const std::vector<fs::path> more = files_named(folder, "consolidated", suffix);
    files.insert(files.end(), more.begin(), more.end());
  }
  return files;
}

StoredTensors open_weights(const fs::path& folder) {
  StoredTensors stored;
  for (const fs::path& path : weight_files(folder)) {
    const auto add = path.extension() == ".safetensors" ? add_safetensors : add_torch_archive;
    add(stored, path.string());
  }
  return stored;
}

// tokenizer.model, or the newest of tokenizer.model.v1, .v2, ...
std::string read_tokenizer(const fs::path& folder) {
  if (is_present(folder / "tokenizer.model")) return read_small_file(folder / "tokenizer.model");
  const std::vector<fs::path> versions = files_named(folder, "tokenizer.model.v", "");
  return versions.empty() ? "" : read_small_file(versions.back());
}

}  // namespace

bool is_mistral_folder(const fs::path& folder) {
  return is_present(folder / kParams) && !weight_files(folder).empty();
}

ModelSource open_mistral(const fs::path& folder) {
  ModelSource source;
  source.path = folder.string();
  source.description = folder_name(folder);
  source.config = read_mistral_params(folder / kParams);
  const StoredTensors stored = open_weights(folder);
  source.tokenizer = read_tokenizer(folder);
  const int64_t experts = source.config.experts;
  const bool stacked = experts > 0 && has_stacked_experts(stored);
  resolve_tensors(source, stored, [&](const std::string& name) {
    return stacked ? stacked_place(name, experts)
                   : TensorPlace{.name = mistral_name(name, experts > 0)};
  });
  mark_interleaved(source);
  return source;
}

}  // namespace octavo
