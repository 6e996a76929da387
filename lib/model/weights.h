// The weights of a model on a device, looked up and shape-checked once.
#pragma once

#include <functional>
#include <vector>

#include "backend/backend.h"
#include "io/model_file.h"

namespace octavo {

struct LayerWeights {
  WeightPtr attention_norm;     ///< [dim]
  WeightPtr wq;                 ///< [heads * head_dim, dim]
  WeightPtr wk, wv;             ///< [kv_heads * head_dim, dim]
  WeightPtr wo;                 ///< [dim, heads * head_dim]
  WeightPtr ffn_norm;           ///< [dim]
  WeightPtr router;             ///< [experts, dim]; null: dense
  std::vector<Expert> experts;  ///< one when dense
};

struct ModelWeights {
  WeightPtr embedding;  ///< [vocab, dim]
  std::vector<LayerWeights> layers;
  WeightPtr norm;    ///< [dim]
  WeightPtr output;  ///< [vocab, dim]; the embedding itself when tied
};

/// Called with the bytes of the tensors loaded so far, and of all.
using LoadProgress = std::function<void(int64_t done, int64_t total)>;

/// Throws Error(kFormat) when a tensor is missing or of another shape.
ModelWeights load_weights(const ModelFile& file, Device& device, const LoadProgress& progress = {});

}  // namespace octavo
