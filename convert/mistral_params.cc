// params.json of Mistral's own layout. Mixtral 8x7B's first release has Hugging Face's key names in
// it.
#include <nlohmann/json.hpp>

#include "convert/source_layout.h"
#include "convert/window.h"
#include "core/error.h"
#include "io/json_fields.h"

namespace octavo {
namespace {

using nlohmann::json;

struct Keys {
  const char *dim, *layers, *heads, *kv_heads, *ffn_dim, *norm_eps, *tied_output;
};
constexpr Keys kMistralKeys = {"dim",        "n_layers", "n_heads",        "n_kv_heads",
                               "hidden_dim", "norm_eps", "tied_embeddings"};
constexpr Keys kHfKeys = {"hidden_size",         "num_hidden_layers", "num_attention_heads",
                          "num_key_value_heads", "intermediate_size", "rms_norm_eps",
                          "tie_word_embeddings"};

void read_experts(const JsonFields& fields, const json& root, ModelConfig& c) {
  if (fields.has("num_local_experts")) {
    c.experts = fields.integer("num_local_experts");
    c.experts_per_token = fields.integer_or("num_experts_per_tok", 2);
  } else {
    const JsonFields moe(root["moe"], "params: moe");
    c.experts = moe.integer("num_experts");
    c.experts_per_token = moe.integer("num_experts_per_tok");
  }
  if (c.experts < 1) fail(ErrorCode::kFormat, "the number of experts is {}", c.experts);
}

ModelConfig parse(const json& root) {
  const JsonFields fields(root, "params");
  for (const char* key : {"quantization", "vision_encoder", "yarn", "rope_scaling"}) {
    if (fields.has(key)) fail(ErrorCode::kUnsupported, "\"{}\" is not supported", key);
  }
  const Keys& keys = fields.has(kHfKeys.dim) && !fields.has("dim") ? kHfKeys : kMistralKeys;
  ModelConfig c;
  const bool mixture = fields.has("moe") || fields.has("num_local_experts");
  c.architecture = mixture ? "mixtral" : "mistral";
  c.dim = fields.integer(keys.dim);
  c.layers = fields.integer(keys.layers);
  c.heads = fields.integer(keys.heads);
  c.kv_heads = fields.integer_or(keys.kv_heads, c.heads);
  if (!fields.has("head_dim") && (c.heads <= 0 || c.dim % c.heads != 0)) {
    fail(ErrorCode::kFormat, "{} {} is no multiple of {} heads and there is no head_dim", keys.dim,
         c.dim, c.heads);
  }
  c.head_dim = fields.has("head_dim") ? fields.integer("head_dim") : c.dim / c.heads;
  c.ffn_dim = fields.integer(keys.ffn_dim);
  c.vocab = fields.integer("vocab_size");
  if (mixture) read_experts(fields, root, c);
  c.context = fields.integer_or("max_seq_len", fields.integer_or("max_position_embeddings", 32768));
  c.window = json_window(root);
  c.rope_theta = fields.number_or("rope_theta", mixture ? 1e6 : 1e4);
  c.norm_eps = fields.number(keys.norm_eps);
  c.tied_output = fields.boolean_or(keys.tied_output, false);
  if (c.bos >= c.vocab) c.bos = -1;  // the tokenizer's usual ids, where the vocabulary has them
  if (c.eos >= c.vocab) c.eos = -1;
  validate(c);
  return c;
}

}  // namespace

ModelConfig read_mistral_params(const std::filesystem::path& path) {
  const json root = read_json_file(path);
  try {
    return parse(root);
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", path.string(), error.what());
  }
}

}  // namespace octavo
