// The shape of a model. Everything comes from the file; nothing is assumed.
#pragma once

#include <cstdint>
#include <string>

namespace octavo {

struct ModelConfig {
  std::string architecture;  ///< "mixtral" or "mistral" (dense)
  int64_t dim = 0;           ///< width of the residual stream
  int64_t layers = 0;
  int64_t heads = 0;     ///< query heads
  int64_t kv_heads = 0;  ///< divides heads
  int64_t head_dim = 0;  ///< even; its own entry, not dim / heads
  int64_t ffn_dim = 0;   ///< width of one expert (of the dense FFN)
  int64_t experts = 0;   ///< 0: dense
  int64_t experts_per_token = 0;
  int64_t vocab = 0;
  int64_t context = 0;  ///< positions the model was made for
  int64_t window = 0;   ///< sliding window in keys, the token itself included; 0: none
  double rope_theta = 0;
  double norm_eps = 0;
  bool tied_output = false;  ///< the output matrix is the embedding
  int32_t bos = 1;           ///< -1: none
  int32_t eos = 2;           ///< -1: none

  bool operator==(const ModelConfig&) const = default;
};

}  // namespace octavo
