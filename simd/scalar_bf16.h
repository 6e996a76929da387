// The plainly right twin of the bf16 kernels (simd/bf16_rows.h).
#pragma once

#include <cstddef>
#include <span>

#include "simd/bf16_rows.h"

namespace octavo {

/// Row `row` of a packed matrix as the bf16 kernels multiply it. weights [cols]
void scalar_bf16_weights(Format format, const std::byte* w, int64_t row, std::span<float> weights);

/// As Kernels::split_bf16.
void scalar_split_bf16(const float* x, int64_t cols, int64_t row, const Bf16Rows& out);

/// As Kernels::matmul_bf16.
void scalar_matmul_bf16(Format format, const std::byte* w, int64_t out_rows, int64_t cols,
                        int64_t begin, int64_t end, const Bf16Rows& x, int64_t rows, float* y,
                        int64_t y_stride);

}  // namespace octavo
