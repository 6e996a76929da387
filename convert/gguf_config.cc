#include "convert/gguf_config.h"

#include "convert/window.h"
#include "core/error.h"
#include "io/printable.h"

namespace octavo {
namespace {

constexpr int64_t kQuantizationVersion = 2;  // of the blocks of types
constexpr int64_t kSoftmaxGating = 1;

void expect_text(const GgufMetadata& metadata, const char* key, std::string_view only) {
  const std::string_view found = metadata.text_or(key, only);
  if (found == only) return;
  fail(ErrorCode::kUnsupported, "{} {} is not supported, only {}", key, printable(found), only);
}

void expect_integer(const GgufMetadata& metadata, const char* key, int64_t only) {
  const int64_t found = metadata.integer_or(key, only);
  if (found == only) return;
  fail(ErrorCode::kUnsupported, "{} {} is not supported, only {}", key, found, only);
}

// Factors of which 1 (and 0: not set) changes nothing.
void expect_no_factor(const GgufMetadata& metadata, const char* key) {
  const double found = metadata.number_or(key, 1);
  if (found == 1 || found == 0) return;
  fail(ErrorCode::kUnsupported, "{} {} is not supported", key, found);
}

// What would change the computation and is not built.
void refuse_unknown(const GgufMetadata& metadata) {
  if (!metadata.has("general.architecture")) {
    fail(ErrorCode::kFormat, "metadata entry general.architecture is missing");
  }
  expect_text(metadata, "general.architecture", "llama");
  expect_text(metadata, "general.type", "model");
  expect_integer(metadata, "general.quantization_version", kQuantizationVersion);
  const std::string_view scaling = metadata.text_or("llama.rope.scaling.type", "linear");
  if (scaling != "linear" && scaling != "none") {
    fail(ErrorCode::kUnsupported, "llama.rope.scaling.type {} is not supported",
         printable(scaling));
  }
  if (scaling == "linear") {
    expect_no_factor(metadata, "llama.rope.scaling.factor");
    expect_no_factor(metadata, "llama.rope.scale_linear");
  }
  expect_no_factor(metadata, "llama.expert_weights_scale");
  expect_no_factor(metadata, "llama.logit_scale");
  expect_no_factor(metadata, "llama.attention.scale");
  expect_integer(metadata, "llama.expert_gating_func", kSoftmaxGating);
  expect_integer(metadata, "llama.expert_shared_count", 0);
  if (!metadata.boolean_or("llama.attention.causal", true)) {
    fail(ErrorCode::kUnsupported, "a model without causal attention is not supported");
  }
}

void read_attention(const GgufMetadata& metadata, ModelConfig& c) {
  c.heads = metadata.integer("llama.attention.head_count");
  c.kv_heads = metadata.integer_or("llama.attention.head_count_kv", c.heads);
  if (!metadata.has("llama.attention.key_length") && (c.heads <= 0 || c.dim % c.heads != 0)) {
    fail(ErrorCode::kFormat,
         "llama.embedding_length {} is no multiple of {} heads and there is no "
         "llama.attention.key_length",
         c.dim, c.heads);
  }
  c.head_dim = metadata.has("llama.attention.key_length")
                   ? metadata.integer("llama.attention.key_length")
                   : c.dim / c.heads;
  for (const char* key : {"llama.attention.value_length", "llama.rope.dimension_count"}) {
    if (metadata.integer_or(key, c.head_dim) == c.head_dim) continue;
    fail(ErrorCode::kUnsupported, "{} {} is not supported with heads of {}", key,
         metadata.integer(key), c.head_dim);
  }
}

// The embedding has a row for each token; a list of tokens may be shorter, never longer.
int64_t vocabulary(const GgufMetadata& metadata, const StoredTensors& stored) {
  constexpr const char* kTokens = "tokenizer.ggml.tokens";
  const auto embedding = stored.find("token_embd.weight");
  if (embedding == stored.end() || embedding->second.shape.size() != 2) {
    return metadata.count_of_texts(kTokens);  // and the missing tensor is reported
  }
  const int64_t rows = embedding->second.shape[0];
  if (metadata.has(kTokens) && metadata.count_of_texts(kTokens) > rows) {
    fail(ErrorCode::kFormat, "{} lists {} tokens, but token_embd.weight has {} rows", kTokens,
         metadata.count_of_texts(kTokens), rows);
  }
  return rows;
}

int32_t token(const GgufMetadata& metadata, const char* key, int32_t fallback, int64_t vocab) {
  if (!metadata.has(key)) return fallback < vocab ? fallback : -1;
  const int64_t id = metadata.integer(key);
  if (id == 0xFFFFFFFF) return -1;  // how writers say "none" in an unsigned number
  if (id < -1 || id >= vocab) {
    fail(ErrorCode::kFormat, "{} {} is outside the vocabulary of {}", key, id, vocab);
  }
  return static_cast<int32_t>(id);
}

}  // namespace

ModelConfig read_gguf_config(const GgufMetadata& metadata, const StoredTensors& stored) {
  refuse_unknown(metadata);
  ModelConfig c;
  c.experts = metadata.integer_or("llama.expert_count", 0);
  const bool mixture = c.experts > 0;
  c.architecture = mixture ? "mixtral" : "mistral";
  c.experts_per_token = mixture ? metadata.integer("llama.expert_used_count") : 0;
  c.dim = metadata.integer("llama.embedding_length");
  c.layers = metadata.integer("llama.block_count");
  c.ffn_dim = metadata.integer("llama.feed_forward_length");
  read_attention(metadata, c);
  c.vocab = vocabulary(metadata, stored);
  c.context = metadata.integer("llama.context_length");
  c.window = gguf_window(metadata);
  c.rope_theta = metadata.number_or("llama.rope.freq_base", 1e4);
  c.norm_eps = metadata.number("llama.attention.layer_norm_rms_epsilon");
  c.tied_output = stored.find("output.weight") == stored.end();
  c.bos = token(metadata, "tokenizer.ggml.bos_token_id", 1, c.vocab);
  c.eos = token(metadata, "tokenizer.ggml.eos_token_id", 2, c.vocab);
  validate(c);
  return c;
}

}  // namespace octavo
