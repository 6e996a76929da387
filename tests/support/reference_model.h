// A whole model in double precision over the dequantized weights of a model file: slow and plainly
// right.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "io/model_file.h"
#include "support/matrix.h"
#include "support/reference_ops.h"

namespace octavo::test {

/// Experts of every layer: [layer][token][top_k].
using Choices = std::vector<std::vector<std::vector<int32_t>>>;

/// What a forward pass went through; every vector is by layer.
struct ReferenceTrace {
  std::vector<Matrix> attention_in;   ///< input of wq, wk and wv [tokens, dim]
  std::vector<Matrix> attended;       ///< input of wo [tokens, heads * head_dim]
  std::vector<Matrix> attention;      ///< output of the attention, after wo [tokens, dim]
  std::vector<Matrix> ffn_in;         ///< input of router and experts [tokens, dim]
  std::vector<Matrix> block;          ///< residual stream after the layer [tokens, dim]
  std::vector<Matrix> router_logits;  ///< [tokens, experts]
  std::vector<std::vector<ReferenceRoute>> routes;
  Matrix output_in;  ///< input of the output matrix [tokens, dim]
  Matrix logits;     ///< [tokens, vocab]
};

class ReferenceModel {
 public:
  explicit ReferenceModel(const ModelFile& file);

  /// All of `ids` at once, from position 0. With `choices` the router's weights are those of the
  /// experts given instead of its own best: two models that differ by rounding stay comparable.
  ReferenceTrace forward(std::span<const int32_t> ids, const Choices* choices = nullptr) const;
  const ReferenceExpert& expert(int64_t layer, int64_t index) const {
    return layers_[static_cast<size_t>(layer)].experts[static_cast<size_t>(index)];
  }

 private:
  struct Layer {
    Matrix attention_norm, wq, wk, wv, wo, ffn_norm, router;
    std::vector<ReferenceExpert> experts;
  };
  /// All heads side by side, before wo.
  Matrix attend(const Layer& layer, const Matrix& x) const;
  Matrix feed_forward(const Layer& layer, const Matrix& x, size_t index, const Choices* choices,
                      ReferenceTrace& trace) const;

  ModelConfig config_;
  Matrix embedding_, norm_, output_;
  std::vector<Layer> layers_;
};

}  // namespace octavo::test
