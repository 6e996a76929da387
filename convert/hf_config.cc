// config.json of Mixtral and Mistral checkpoints in HF's layout.
#include <nlohmann/json.hpp>

#include "convert/source_layout.h"
#include "convert/window.h"
#include "core/error.h"
#include "io/json_fields.h"
#include "io/printable.h"

namespace octavo {
namespace {

using nlohmann::json;

// What would change the computation and is not built.
void refuse_unknown(const JsonFields& fields, const json& root) {
  if (fields.has("hidden_act") && fields.string("hidden_act") != "silu") {
    fail(ErrorCode::kUnsupported, "hidden_act {} is not supported, only silu",
         printable(fields.string("hidden_act")));
  }
  for (const char* key : {"quantization_config", "rope_scaling"}) {
    if (!fields.has(key)) continue;
    fail(ErrorCode::kUnsupported, "{} is not supported; take the original checkpoint", key);
  }
  if (fields.has("rope_parameters")) {
    const JsonFields rope(root["rope_parameters"], "rope_parameters");
    if (rope.has("rope_type") && rope.string("rope_type") != "default") {
      fail(ErrorCode::kUnsupported, "rope_type {} is not supported",
           printable(rope.string("rope_type")));
    }
  }
}

double rope_theta(const JsonFields& fields, const json& root, double fallback) {
  if (fields.has("rope_theta")) return fields.number("rope_theta");
  if (!fields.has("rope_parameters")) return fallback;
  return JsonFields(root["rope_parameters"], "rope_parameters").number_or("rope_theta", fallback);
}

// A token id; null means none, an array (several ends) gives its first.
int32_t token(const JsonFields& fields, const json& root, const char* key, int32_t fallback,
              int64_t vocab, std::vector<std::string>& notes) {
  const auto found = root.find(key);
  if (found == root.end()) return fallback < vocab ? fallback : -1;
  if (found->is_null()) return -1;
  int64_t id = -1;
  if (found->is_array() && !found->empty() && found->front().is_number_integer()) {
    id = found->front().get<int64_t>();
    if (found->size() > 1) {
      notes.push_back(fmt::format("{} lists {} ids, only {} is used", key, found->size(), id));
    }
  } else {
    id = fields.integer(key);
  }
  if (id < -1 || id >= vocab) {
    fail(ErrorCode::kFormat, "{} {} is outside the vocabulary of {}", key, id, vocab);
  }
  return static_cast<int32_t>(id);
}

int64_t head_dim(const JsonFields& fields, const ModelConfig& c) {
  if (fields.has("head_dim")) return fields.integer("head_dim");
  if (c.heads <= 0 || c.dim % c.heads != 0) {
    fail(ErrorCode::kFormat, "hidden_size {} is no multiple of {} heads and there is no head_dim",
         c.dim, c.heads);
  }
  return c.dim / c.heads;
}

ModelConfig parse(const json& root, std::vector<std::string>& notes) {
  const JsonFields fields(root, "config");
  ModelConfig c;
  c.architecture = fields.string("model_type");
  if (c.architecture != "mixtral" && c.architecture != "mistral") {
    fail(ErrorCode::kUnsupported, "model_type {} is not supported, only mixtral and mistral",
         printable(c.architecture));
  }
  refuse_unknown(fields, root);
  const bool mixture = c.architecture == "mixtral";
  c.dim = fields.integer("hidden_size");
  c.layers = fields.integer("num_hidden_layers");
  c.heads = fields.integer("num_attention_heads");
  c.kv_heads = fields.integer_or("num_key_value_heads", c.heads);
  c.head_dim = head_dim(fields, c);
  c.ffn_dim = fields.integer("intermediate_size");
  c.experts = mixture ? fields.integer("num_local_experts") : 0;
  c.experts_per_token = mixture ? fields.integer("num_experts_per_tok") : 0;
  if (mixture && c.experts < 1) fail(ErrorCode::kFormat, "num_local_experts is {}", c.experts);
  c.vocab = fields.integer("vocab_size");
  c.context = fields.integer_or("max_position_embeddings", 32768);
  c.window = json_window(root);
  c.rope_theta = rope_theta(fields, root, mixture ? 1e6 : 1e4);
  c.norm_eps = fields.number_or("rms_norm_eps", mixture ? 1e-5 : 1e-6);
  c.tied_output = fields.boolean_or("tie_word_embeddings", false);
  c.bos = token(fields, root, "bos_token_id", 1, c.vocab, notes);
  c.eos = token(fields, root, "eos_token_id", 2, c.vocab, notes);
  validate(c);
  return c;
}

}  // namespace

ModelConfig read_hf_config(const std::string& path, std::vector<std::string>& notes) {
  const json root = read_json_file(path);
  try {
    return parse(root, notes);
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", path, error.what());
  }
}

}  // namespace octavo
