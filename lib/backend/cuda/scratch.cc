#include "backend/cuda/scratch.h"

#include <algorithm>

namespace octavo::cuda {
namespace {

constexpr const char* kPurpose = "intermediate results";

}  // namespace

Q8Buffer::Q8Buffer(int64_t rows, int64_t cols)
    : q_(rows * q8_padded(cols), kPurpose),
      scale_(rows * q8_padded(cols) / 32, kPurpose),
      sum_(rows * q8_padded(cols) / 32, kPurpose) {}

Bf16Buffer::Bf16Buffer(int64_t rows, int64_t cols)
    : high_(rows * bf16_padded(cols), kPurpose), low_(rows * bf16_padded(cols), kPurpose) {}

Scratch::Scratch(const BackendLimits& limits)
    : uses(limits.rows * limits.top_k),
      few_in(kFewRows, std::max(limits.cols, limits.ffn_dim)),
      few_hidden(kFewRows * limits.top_k, limits.ffn_dim),
      few_values(kFewRows * limits.top_k * limits.ffn_dim, kPurpose),
      partial_sums(
          std::max(few_partial_sums(), output_few_sums(kFewRows, limits.top_k, limits.cols)),
          kPurpose),
      arrived(std::max(few_partial_counters(), output_few_counters(limits.cols)), kPurpose),
      tile_in(limits.rows, std::max(limits.cols, limits.ffn_dim)),
      tile_hidden(uses, limits.ffn_dim),
      hidden(uses * limits.ffn_dim, kPurpose),
      outputs(uses * limits.cols, kPurpose),
      logits(limits.rows * limits.experts, kPurpose),
      weights(uses, kPurpose),
      experts(uses, kPurpose),
      offsets(limits.experts + 1, kPurpose),
      use_of(uses, kPurpose),
      slot_of(uses, kPurpose) {}

}  // namespace octavo::cuda
