// Products of many rows in bf16 ("bf16" kernels): what AMX multiplies beside bytes.
//
// Weights are bf16 as they are stored, or q8_0 or q6_k rounded to bf16; each activation is the sum
// of two bf16 numbers, or rounded to one. Sums are float32.
#pragma once

#include <bit>
#include <cstdint>

#include "quant/format.h"

namespace octavo {

/// Rows and columns of a tile of activations: what one AMX register holds.
inline constexpr int kBf16Rows = 16, kBf16Cols = 32;

inline constexpr int64_t bf16_steps(int64_t cols) { return (cols + kBf16Cols - 1) / kBf16Cols; }
inline constexpr int64_t bf16_blocks(int64_t rows) { return (rows + kBf16Rows - 1) / kBf16Rows; }

/// Activations as the bf16 kernels take them: value = high + low; columns that do not exist are
/// zeros. Pointers are to memory that the caller owns, aligned to 64 bytes.
struct Bf16Rows {
  uint16_t* high = nullptr;  ///< [steps, blocks, kBf16Rows, kBf16Cols]
  uint16_t* low = nullptr;   ///< the same; null: half the work, 8 bits of mantissa
  int64_t blocks = 0;        ///< of kBf16Rows rows

  int64_t tile_at(int64_t step, int64_t block) const {
    return (step * blocks + block) * kBf16Rows * kBf16Cols;
  }
  /// Where the 32 columns of a step stand for one row.
  int64_t row_at(int64_t step, int64_t row) const {
    return tile_at(step, row / kBf16Rows) + row % kBf16Rows * kBf16Cols;
  }
};

/// Whether the bf16 kernels take weights of this format.
inline constexpr bool is_bf16(Format format) {
  return format == Format::kBF16 || format == Format::kQ8_0 || format == Format::kQ6_K;
}

/// Quantized weights as bf16: to nearest, ties away from zero, which costs one addition.
inline float nearest_bf16(float value) {
  return std::bit_cast<float>((std::bit_cast<uint32_t>(value) + 0x8000u) & 0xFFFF0000u);
}

}  // namespace octavo
