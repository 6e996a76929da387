// The ops of a transformer in double precision, as the papers write them: the yardstick of the op
// suite and of the reference model. Eigen only; nothing here knows of blocks, caches or threads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "support/matrix.h"

namespace octavo::test {

/// x / sqrt(mean(x^2) + eps) * gain, row by row. gain [1, cols]
Matrix reference_rmsnorm(const Matrix& x, const Matrix& gain, double eps);

/// Rotates the half-split pairs of each head of each row; row i is at position first + i.
void reference_rope(Matrix& x, int64_t head_dim, double theta, int64_t first);

struct ReferenceAttention {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  int64_t window = 0;  ///< keys that a token sees, itself included; 0: all before it
};
/// q [rows, heads * head_dim] at positions first..; keys, values [first + rows or more, kv_heads *
/// head_dim], all rotated already.
Matrix reference_attention(const Matrix& q, const Matrix& keys, const Matrix& values,
                           const ReferenceAttention& shape, int64_t first);

/// silu(gate) * up
Matrix reference_swiglu(const Matrix& gate, const Matrix& up);

struct ReferenceRoute {
  std::vector<int32_t> experts;  ///< best first, ties to the lower index
  std::vector<double> weights;   ///< softmax over the chosen logits
};
ReferenceRoute reference_route(std::span<const double> logits, int64_t top_k);
/// Softmax over the logits of experts that somebody else chose.
std::vector<double> route_weights(std::span<const double> logits, std::span<const int32_t> experts);

struct ReferenceExpert {
  Matrix w1, w3, w2;  ///< [ffn, dim], [ffn, dim], [dim, ffn]
};
Matrix reference_expert(const Matrix& x, const ReferenceExpert& expert);

}  // namespace octavo::test
