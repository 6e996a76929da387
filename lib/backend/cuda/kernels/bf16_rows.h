// Activations as the tensor cores take them.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/types.h"

namespace octavo::cuda {

/// Rows rounded to bf16, with what the rounding left as a second bf16 where bf16 weights ask for
/// it. Of each 16 columns, columns 4 t + (0, 1) come first (t = 0..3), then 4 t + (2, 3): the order
/// in which a fragment of the tensor cores meets the lines of a packed tile.
struct Bf16Rows {
  uint16_t* high = nullptr;  ///< [rows, bf16_padded(cols)], zeros behind the last column
  uint16_t* low = nullptr;   ///< the same, or null
  int64_t cols = 0;
};
constexpr int64_t bf16_padded(int64_t cols) { return (cols + 63) / 64 * 64; }
/// Where column `k` lies in a row.
constexpr int64_t bf16_place(int64_t k) {
  return k / 16 * 16 + k % 4 / 2 * 8 + k % 16 / 4 * 2 + k % 2;
}

/// Rounds x [rows, stride]; `out.low` is written where it is not null.
void to_bf16_rows(const float* x, int64_t stride, int64_t rows, const Bf16Rows& out, Stream stream);

}  // namespace octavo::cuda
