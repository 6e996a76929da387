// Checkpoints in HF's layout: config.json, model.safetensors or its shards, tokenizer.model.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "convert/source_layout.h"
#include "core/error.h"
#include "io/json_fields.h"
#include "io/printable.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kConfig = "config.json";
constexpr const char* kWeights = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

// "layers.3.experts.5.w1" -> "model.layers.3.block_sparse_moe.experts.5.w1.weight"
std::string hf_name(const std::string& name, bool mixture) {
  if (name == "embedding") return "model.embed_tokens.weight";
  if (name == "norm") return "model.norm.weight";
  if (name == "output") return "lm_head.weight";
  const size_t layer_end = name.find('.', name.find('.') + 1);
  const std::string layer = "model." + name.substr(0, layer_end), part = name.substr(layer_end + 1);
  if (part == "attention_norm") return layer + ".input_layernorm.weight";
  if (part == "ffn_norm") return layer + ".post_attention_layernorm.weight";
  if (part == "router") return layer + ".block_sparse_moe.gate.weight";
  if (part.size() == 2) return layer + ".self_attn." + part[1] + "_proj.weight";  // wq, wk, wv, wo
  if (mixture) return layer + ".block_sparse_moe." + part + ".weight";
  const char which = part.back();
  return layer + ".mlp." + (which == '1' ? "gate" : which == '2' ? "down" : "up") + "_proj.weight";
}

// The files that the index names; only plain names, so that it cannot point out of the folder.
std::set<std::string> indexed_files(const fs::path& path) {
  const json root = read_json_file(path);
  const JsonFields fields(root, path.string());
  if (!fields.has("weight_map") || !root["weight_map"].is_object()) {
    fail(ErrorCode::kFormat, "{}: \"weight_map\" is missing", path.string());
  }
  std::set<std::string> files;
  for (const auto& [tensor, file] : root["weight_map"].items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || name != fs::path(name).filename().string() || name == "..") {
      fail(ErrorCode::kFormat, "{}: tensor {} has no valid file name", path.string(),
           printable(tensor));
    }
    files.insert(name);
  }
  return files;
}

StoredTensors open_weights(const fs::path& folder) {
  StoredTensors stored;
  if (is_present(folder / kWeights)) {
    add_safetensors(stored, (folder / kWeights).string());
    return stored;
  }
  for (const std::string& name : indexed_files(folder / kIndex)) {
    const fs::path shard = folder / name;
    if (!is_present(shard)) {
      fail(ErrorCode::kIo, "{}: the shard {} is missing; is the download complete?",
           (folder / kIndex).string(), printable(name));
    }
    add_safetensors(stored, shard.string());
  }
  return stored;
}

// A list of named templates holds one called "default".
std::string template_of(const json& entry, const std::string& path) {
  if (entry.is_string()) return entry.get<std::string>();
  if (!entry.is_array()) fail(ErrorCode::kFormat, "{}: chat_template is no text", path);
  std::string first;
  for (const json& item : entry) {
    const JsonFields fields(item, path + ": chat_template");
    std::string text = fields.string("template");
    if (fields.string("name") == "default") return text;
    if (first.empty()) first = text;
  }
  return first;
}

std::string read_chat_template(const fs::path& folder) {
  const fs::path own_file = folder / "chat_template.jinja",
                 config = folder / "tokenizer_config.json";
  if (is_present(own_file)) return read_small_file(own_file);
  if (!is_present(config)) return "";
  const json root = read_json_file(config);
  const JsonFields fields(root, config.string());
  return fields.has("chat_template") ? template_of(root["chat_template"], config.string()) : "";
}

}  // namespace

bool is_hf_folder(const fs::path& folder) {
  return is_present(folder / kConfig) &&
         (is_present(folder / kWeights) || is_present(folder / kIndex));
}

ModelSource open_hf(const fs::path& folder) {
  ModelSource source;
  source.path = folder.string();
  source.description = folder_name(folder);
  source.config = read_hf_config((folder / kConfig).string(), source.notes);
  const StoredTensors stored = open_weights(folder);
  if (const fs::path tokenizer = folder / "tokenizer.model"; is_present(tokenizer)) {
    source.tokenizer = read_small_file(tokenizer);
  }
  source.chat_template = read_chat_template(folder);
  const bool mixture = source.config.experts > 0;
  resolve_tensors(source, stored, [mixture](const std::string& name) {
    return TensorPlace{.name = hf_name(name, mixture)};
  });
  return source;
}

}  // namespace octavo
