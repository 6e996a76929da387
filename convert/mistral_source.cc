// Checkpoints in Mistral's own layout: params.json, consolidated*.safetensors, tokenizer.model*.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "convert/source_layout.h"
#include "core/error.h"
#include "io/json_fields.h"
#include "io/model_file.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

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

std::vector<fs::path> weight_files(const fs::path& folder) {
  return files_named(folder, "consolidated", ".safetensors");
}

ModelConfig parse(const json& root, std::vector<std::string>& notes) {
  const JsonFields fields(root, "params");
  for (const char* key : {"quantization", "vision_encoder", "yarn"}) {
    if (fields.has(key)) fail(ErrorCode::kUnsupported, "\"{}\" is not supported", key);
  }
  ModelConfig c;
  const bool mixture = fields.has("moe");
  c.architecture = mixture ? "mixtral" : "mistral";
  c.dim = fields.integer("dim");
  c.layers = fields.integer("n_layers");
  c.heads = fields.integer("n_heads");
  c.kv_heads = fields.integer_or("n_kv_heads", c.heads);
  if (!fields.has("head_dim") && (c.heads <= 0 || c.dim % c.heads != 0)) {
    fail(ErrorCode::kFormat, "dim {} is no multiple of {} heads and there is no head_dim", c.dim,
         c.heads);
  }
  c.head_dim = fields.has("head_dim") ? fields.integer("head_dim") : c.dim / c.heads;
  c.ffn_dim = fields.integer("hidden_dim");
  c.vocab = fields.integer("vocab_size");
  if (mixture) {
    const JsonFields moe(root["moe"], "params: moe");
    c.experts = moe.integer("num_experts");
    c.experts_per_token = moe.integer("num_experts_per_tok");
    if (c.experts < 1) fail(ErrorCode::kFormat, "num_experts is {}", c.experts);
  }
  c.context = fields.integer_or("max_seq_len", fields.integer_or("max_position_embeddings", 32768));
  c.window = sliding_window(fields.integer_or("sliding_window", 0), mixture, notes);
  c.rope_theta = fields.number_or("rope_theta", mixture ? 1e6 : 1e4);
  c.norm_eps = fields.number("norm_eps");
  c.tied_output = fields.boolean_or("tied_embeddings", false);
  if (c.bos >= c.vocab) c.bos = -1;  // the tokenizer's usual ids, where the vocabulary has them
  if (c.eos >= c.vocab) c.eos = -1;
  validate(c);
  return c;
}

ModelConfig read_params(const fs::path& path, std::vector<std::string>& notes) {
  const json root = read_json_file(path);
  try {
    return parse(root, notes);
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", path.string(), error.what());
  }
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
  source.config = read_params(folder / kParams, source.notes);
  StoredTensors stored;
  for (const fs::path& path : weight_files(folder)) add_safetensors(stored, path.string());
  source.tokenizer = read_tokenizer(folder);
  const bool mixture = source.config.experts > 0;
  resolve_tensors(source, stored, [mixture](const std::string& name) {
    return TensorPlace{.name = mistral_name(name, mixture)};
  });
  mark_interleaved(source);
  return source;
}

}  // namespace octavo
