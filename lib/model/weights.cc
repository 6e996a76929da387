#include "model/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace octavo {
namespace {

/// Loads tensors of a file onto a device and says how far it is.
class Loader {
 public:
  Loader(const ModelFile& file, Device& device, const LoadProgress& progress)
      : file_(file), device_(device), progress_(progress) {
    for (const TensorEntry& tensor : file.directory().tensors) total_ += tensor.bytes;
  }

  WeightPtr load(const std::string& name, int64_t rows, int64_t cols, const WeightPlace& place) {
    const TensorView tensor = file_.tensor(name, rows, cols);
    WeightPtr weight = device_.place(tensor, place);
    done_ += tensor.bytes;
    if (progress_) progress_(done_, total_);
    return weight;
  }
  LayerWeights load_layer(int64_t layer);

 private:
  const ModelFile& file_;
  Device& device_;
  const LoadProgress& progress_;
  int64_t done_ = 0, total_ = 0;
};

LayerWeights Loader::load_layer(int64_t layer) {
  const ModelConfig& c = file_.config();
  const std::string prefix = fmt::format("layers.{}.", layer);
  const int64_t q_dim = c.heads * c.head_dim, kv_dim = c.kv_heads * c.head_dim;
  const WeightPlace shared = {layer, false}, mixture = {layer, true};
  LayerWeights w;
  w.attention_norm = load(prefix + "attention_norm", 1, c.dim, shared);
  w.wq = load(prefix + "wq", q_dim, c.dim, shared);
  w.wk = load(prefix + "wk", kv_dim, c.dim, shared);
  w.wv = load(prefix + "wv", kv_dim, c.dim, shared);
  w.wo = load(prefix + "wo", c.dim, q_dim, shared);
  w.ffn_norm = load(prefix + "ffn_norm", 1, c.dim, shared);
  if (c.experts > 0) w.router = load(prefix + "router", c.experts, c.dim, mixture);
  for (int64_t e = 0; e < std::max<int64_t>(c.experts, 1); ++e) {
    const std::string expert = fmt::format("{}experts.{}.", prefix, e);
    w.experts.push_back({load(expert + "w1", c.ffn_dim, c.dim, mixture),
                         load(expert + "w3", c.ffn_dim, c.dim, mixture),
                         load(expert + "w2", c.dim, c.ffn_dim, mixture)});
  }
  return w;
}

}  // namespace

ModelWeights load_weights(const ModelFile& file, Device& device, const LoadProgress& progress) {
  const ModelConfig& c = file.config();
  Loader loader(file, device, progress);
  ModelWeights weights;
  const WeightPlace first = {0, false}, last = {c.layers - 1, false};
  // The output is read for every token, the embedding a row of it.
  weights.embedding = loader.load("embedding", c.vocab, c.dim, c.tied_output ? last : first);
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    weights.layers.push_back(loader.load_layer(layer));
  }
  weights.norm = loader.load("norm", 1, c.dim, last);
  weights.output = c.tied_output ? weights.embedding : loader.load("output", c.vocab, c.dim, last);
  return weights;
}

}  // namespace octavo
