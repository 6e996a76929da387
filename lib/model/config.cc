#include "model/config.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/json_fields.h"
#include "io/printable.h"

namespace octavo {
namespace {

constexpr int64_t kMaxWidth = int64_t{1} << 24;  // of any matrix, either way
constexpr int64_t kMaxVocab = int64_t{1} << 28;
constexpr int64_t kMaxContext = int64_t{1} << 40;
constexpr int64_t kMaxLayers = 1 << 16;
constexpr int64_t kMaxExperts = 1 << 16;
constexpr int64_t kMaxExpertsInAll = 1 << 17;  // layers x experts: bounds the directory

void expect_range(const char* name, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return;
  fail(ErrorCode::kFormat, "config: {} is {}, must be from {} to {}", name, value, low, high);
}

void expect_token(const char* name, int64_t id, int64_t vocab) {
  if (id >= -1 && id < vocab) return;
  fail(ErrorCode::kFormat, "config: {} is token {}, but the vocabulary has {}", name, id, vocab);
}

void validate_attention(const ModelConfig& c) {
  expect_range("heads", c.heads, 1, kMaxWidth);
  expect_range("kv_heads", c.kv_heads, 1, c.heads);
  if (c.heads % c.kv_heads != 0) {
    fail(ErrorCode::kFormat, "config: {} heads are no multiple of {} kv_heads", c.heads,
         c.kv_heads);
  }
  expect_range("head_dim", c.head_dim, 2, kMaxWidth);
  if (c.head_dim % 2 != 0) fail(ErrorCode::kFormat, "config: head_dim {} is odd", c.head_dim);
  expect_range("heads * head_dim", c.heads * c.head_dim, 1, kMaxWidth);
  expect_range("context", c.context, 1, kMaxContext);
  expect_range("window", c.window, 0, kMaxContext);
  if (!std::isfinite(c.rope_theta) || c.rope_theta <= 0) {
    fail(ErrorCode::kFormat, "config: rope_theta is {}, must be positive", c.rope_theta);
  }
}

void validate_experts(const ModelConfig& c) {
  expect_range("experts", c.experts, 0, kMaxExperts);
  if (c.experts == 0) {
    expect_range("experts_per_token", c.experts_per_token, 0, 0);
  } else {
    expect_range("experts_per_token", c.experts_per_token, 1, c.experts);
    expect_range("layers * experts", c.layers * c.experts, 1, kMaxExpertsInAll);
  }
  const char* expected = c.experts > 0 ? "mixtral" : "mistral";
  if (c.architecture != expected) {
    fail(ErrorCode::kFormat,
         "config: architecture is \"{}\", but a model with {} experts is \"{}\"", c.architecture,
         c.experts, expected);
  }
}

// Bounds the file's size far below what 64-bit offsets hold.
void validate_size(const ModelConfig& c) {
  constexpr double kMaxWeights = 1e15;
  const auto number = [](int64_t value) { return static_cast<double>(value); };
  const double attention = 4 * number(c.heads * c.head_dim) * number(c.dim);
  const double expert = 3 * number(c.ffn_dim) * number(c.dim);
  const double layer = attention + number(std::max<int64_t>(1, c.experts)) * expert;
  if (number(c.layers) * layer + 2 * number(c.vocab) * number(c.dim) > kMaxWeights) {
    fail(ErrorCode::kFormat, "config: more than {:g} weights", kMaxWeights);
  }
}

}  // namespace

void validate(const ModelConfig& c) {
  expect_range("dim", c.dim, 1, kMaxWidth);
  expect_range("layers", c.layers, 1, kMaxLayers);
  expect_range("ffn_dim", c.ffn_dim, 1, kMaxWidth);
  expect_range("vocab", c.vocab, 1, kMaxVocab);
  validate_attention(c);
  validate_experts(c);
  validate_size(c);
  if (!std::isfinite(c.norm_eps) || c.norm_eps <= 0 || c.norm_eps >= 1) {
    fail(ErrorCode::kFormat, "config: norm_eps is {}, must be between 0 and 1", c.norm_eps);
  }
  expect_token("bos", c.bos, c.vocab);
  expect_token("eos", c.eos, c.vocab);
}

void set_window(ModelConfig& config, int64_t window) {
  if (window < 0 || window > config.context) {
    fail(ErrorCode::kInvalidArgument,
         "a sliding window of {} does not fit the model's context of {}; give 1 to {}, or 0 for "
         "none",
         window, config.context, config.context);
  }
  config.window = window;
}

nlohmann::json to_json(const ModelConfig& c) {
  return {{"architecture", c.architecture},
          {"dim", c.dim},
          {"layers", c.layers},
          {"heads", c.heads},
          {"kv_heads", c.kv_heads},
          {"head_dim", c.head_dim},
          {"ffn_dim", c.ffn_dim},
          {"experts", c.experts},
          {"experts_per_token", c.experts_per_token},
          {"vocab", c.vocab},
          {"context", c.context},
          {"window", c.window},
          {"rope_theta", c.rope_theta},
          {"norm_eps", c.norm_eps},
          {"tied_output", c.tied_output},
          {"bos", c.bos},
          {"eos", c.eos}};
}

ModelConfig config_from_json(const nlohmann::json& json) {
  const JsonFields fields(json, "config");
  ModelConfig c;
  c.architecture = fields.string("architecture");
  c.dim = fields.integer("dim");
  c.layers = fields.integer("layers");
  c.heads = fields.integer("heads");
  c.kv_heads = fields.integer("kv_heads");
  c.head_dim = fields.integer("head_dim");
  c.ffn_dim = fields.integer("ffn_dim");
  c.experts = fields.integer("experts");
  c.experts_per_token = fields.integer("experts_per_token");
  c.vocab = fields.integer("vocab");
  c.context = fields.integer("context");
  c.window = fields.integer("window");
  c.rope_theta = fields.number("rope_theta");
  c.norm_eps = fields.number("norm_eps");
  c.tied_output = fields.boolean("tied_output");
  const int64_t bos = fields.integer("bos"), eos = fields.integer("eos");
  expect_token("bos", bos, kMaxVocab);
  expect_token("eos", eos, kMaxVocab);
  c.bos = static_cast<int32_t>(bos);
  c.eos = static_cast<int32_t>(eos);
  validate(c);
  return c;
}

}  // namespace octavo
