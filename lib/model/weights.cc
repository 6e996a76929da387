#include "model/weights.h"

#include <fmt/format.h>

namespace octavo {
namespace {

Expert load_expert(const ModelFile& file, Device& device, const std::string& prefix) {
  const ModelConfig& c = file.config();
  return {device.load(file.tensor(prefix + "w1", c.ffn_dim, c.dim)),
          device.load(file.tensor(prefix + "w3", c.ffn_dim, c.dim)),
          device.load(file.tensor(prefix + "w2", c.dim, c.ffn_dim))};
}

LayerWeights load_layer(const ModelFile& file, Device& device, int64_t layer) {
  const ModelConfig& c = file.config();
  const std::string prefix = fmt::format("layers.{}.", layer);
  const int64_t q_dim = c.heads * c.head_dim, kv_dim = c.kv_heads * c.head_dim;
  const auto load = [&](const char* name, int64_t rows, int64_t cols) {
    return device.load(file.tensor(prefix + name, rows, cols));
  };
  LayerWeights w;
  w.attention_norm = load("attention_norm", 1, c.dim);
  w.wq = load("wq", q_dim, c.dim);
  w.wk = load("wk", kv_dim, c.dim);
  w.wv = load("wv", kv_dim, c.dim);
  w.wo = load("wo", c.dim, q_dim);
  w.ffn_norm = load("ffn_norm", 1, c.dim);
  if (c.experts > 0) w.router = load("router", c.experts, c.dim);
  for (int64_t e = 0; e < std::max<int64_t>(c.experts, 1); ++e) {
    w.experts.push_back(load_expert(file, device, fmt::format("{}experts.{}.", prefix, e)));
  }
  return w;
}

}  // namespace

ModelWeights load_weights(const ModelFile& file, Device& device) {
  const ModelConfig& c = file.config();
  ModelWeights weights;
  weights.embedding = device.load(file.tensor("embedding", c.vocab, c.dim));
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    weights.layers.push_back(load_layer(file, device, layer));
  }
  weights.norm = device.load(file.tensor("norm", 1, c.dim));
  weights.output =
      c.tied_output ? weights.embedding : device.load(file.tensor("output", c.vocab, c.dim));
  return weights;
}

}  // namespace octavo
