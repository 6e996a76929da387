// The plainly right twin of the wide kernels (simd/wide.h). A table of its own would never be
// chosen: the scalar table computes every product without rounding the weights again.
#pragma once

#include <cstddef>
#include <span>

#include "simd/wide.h"

namespace octavo {

/// Weights of row `row`, columns [256 * group, 256 * group + 256) of a packed matrix as int8 and
/// their common scale. q [kWideCols].
float scalar_wide_weights(Format format, const std::byte* w, int64_t cols, int64_t row,
                          int64_t group, std::span<int8_t> q);

/// As Kernels::quantize_wide.
void scalar_quantize_wide(const float* x, int64_t cols, int64_t group, int64_t row,
                          const WideRows& out);

/// As Kernels::matmul_wide.
void scalar_matmul_wide(Format format, const std::byte* w, int64_t out_rows, int64_t cols,
                        int64_t begin, int64_t end, const WideRows& x, int64_t rows, float* y,
                        int64_t y_stride);

}  // namespace octavo
