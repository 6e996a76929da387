// Products of many rows with weights of 4 and 5 bits ("wide" kernels): integers over groups of 256
// columns.
//
// Each group of 256 columns of a weight row is brought to int8 with one scale, and so is each group
// of a row of activations; the dot product of a group is one exact integer, and the float epilogue
// comes once in 256 columns. The rounding of the weights to 8 bits adds about a hundredth of the
// noise power that 4 bits already have, and about a twentieth of what 5 bits have; for 6 bits it
// would be too much.
#pragma once

#include <cstdint>

#include "quant/format.h"

namespace octavo {

/// Columns that share a scale.
inline constexpr int kWideCols = 256;
/// Rows and columns of a tile of activations: what one AMX register holds.
inline constexpr int kWideRows = 16, kWideTileCols = 64;
inline constexpr int kWideTiles = kWideCols / kWideTileCols;
/// 32-column blocks in a group.
inline constexpr int kWideBlocks = kWideCols / 32;

inline constexpr int64_t wide_groups(int64_t cols) { return (cols + kWideCols - 1) / kWideCols; }
inline constexpr int64_t wide_blocks(int64_t rows) { return (rows + kWideRows - 1) / kWideRows; }

/// Where column k of a group stands for row r of a block: tiles, then rows, then columns.
inline constexpr int64_t wide_at(int64_t r, int64_t k) {
  return (k / kWideTileCols * kWideRows + r) * kWideTileCols + k % kWideTileCols;
}

/// Activations as the wide kernels take them: value = scale * q, columns that do not exist are
/// zeros. Pointers are to memory that the caller owns, q aligned to 64 bytes.
struct WideRows {
  int8_t* q = nullptr;     ///< [groups, blocks, kWideTiles, kWideRows, kWideTileCols]
  float* scale = nullptr;  ///< [groups, blocks, kWideRows]
  int32_t* sum = nullptr;  ///< [groups, blocks, kWideRows]: of the row's q in the group
  int64_t blocks = 0;      ///< of kWideRows rows

  int8_t* block(int64_t group, int64_t b) const {
    return q + (group * blocks + b) * kWideRows * kWideCols;
  }
  /// From block `b` on.
  WideRows after(int64_t b) const {
    return {q + b * kWideRows * kWideCols, scale + b * kWideRows, sum + b * kWideRows, blocks};
  }
  int64_t row_at(int64_t group, int64_t b) const { return (group * blocks + b) * kWideRows; }
};

/// Whether the wide kernels take weights of this format.
inline constexpr bool is_wide(Format format) {
  return format == Format::kQ4_0 || format == Format::kQ4_K || format == Format::kQ5_K;
}
/// Quants are 0..wide_top(format).
inline constexpr int wide_top(Format format) { return format == Format::kQ5_K ? 31 : 15; }

/// A weight of a group is step * quant - offset, for each 32-block; in units of 1/256 of the
/// group's scale both are integers, and the weight's int8 is (step * quant - offset + 128) >> 8.
/// With top the largest |weight| that the group's steps and offsets can express:
/// scale = top / 127, step = nearest(step * kWideUnits / top).
inline constexpr float kWideUnits = 127.0f * 256.0f;
/// A group whose top is below this counts as zeros.
inline constexpr float kWideSmallestTop = 1e-30f;

}  // namespace octavo
