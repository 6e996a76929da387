// The routed experts for a few rows. Which experts is read from device memory, so nothing waits for
// the host and a captured graph can be replayed.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/experts.h"
#include "backend/cuda/kernels/matmul_few.h"

namespace octavo::cuda {

/// What the router chose. Null pointers: the dense case, expert 0 with weight 1 for every row.
struct Routed {
  const int32_t* experts = nullptr;  ///< [rows, top_k], best first, each once in a row
  const float* weights = nullptr;    ///< [rows, top_k]
  int64_t top_k = 1;
};

/// silu(w1 x) * (w3 x) of each use, a use being (row, rank).
struct HiddenFew {
  float* values = nullptr;  ///< [rows * top_k, ffn]; may be null where every w2 is quantized
  Q8 q8;                    ///< [rows * top_k, ..], cols = ffn; q null where no w2 is
};

/// rows 1 to kFewRows.
void hidden_few(const Experts& experts, const FewInput& input, const Routed& routed, int64_t rows,
                const HiddenFew& hidden, Stream stream);

/// y[r] = sum over the ranks, in order, of weight * w2 hidden. y [rows, y_stride].
void output_few(const Experts& experts, const HiddenFew& hidden, const Routed& routed, int64_t rows,
                const Partials& partials, float* y, int64_t y_stride, Stream stream);
/// What output_few() needs of Partials for up to `rows` rows (of which kFewRows count), `top_k`
/// experts a row and `dim` outputs.
int64_t output_few_sums(int64_t rows, int64_t top_k, int64_t dim);
int64_t output_few_counters(int64_t dim);

}  // namespace octavo::cuda
