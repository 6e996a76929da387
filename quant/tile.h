// Where each number of a packed tile lies. The single source of the r16k4 order: packing, the
// scalar twin and docs/format.md follow these functions. r is the row within the panel, k the
// column within the tile.
#pragma once

#include <cstdint>

#include "quant/format.h"

namespace octavo::tile {

/// f32: line k holds 16 rows.
constexpr int f32_at(int r, int k) { return (k * kPanelRows + r) * 4; }
/// f16: each line holds column k for 16 rows, then column k + 1.
constexpr int f16_at(int r, int k) { return (k * kPanelRows + r) * 2; }
/// bf16: each line holds 16 rows of a pair of columns.
constexpr int bf16_at(int r, int k) { return ((k / 2) * kPanelRows + r) * 4 + (k % 2) * 2; }

/// q8_0, q4_0: f16 scale of block b (0, 1).
constexpr int scale_at(int r, int b) { return (b * kPanelRows + r) * 2; }
/// Byte of column k in lines of 16 rows x 4 columns.
constexpr int line_at(int r, int k) { return ((k / 4) * kPanelRows + r) * 4 + k % 4; }

inline constexpr int kBlockQuants = 64;  ///< q8_0, q4_0: the lines follow one line of scales
/// q8_0 stores q + 128, so that the bytes are the unsigned side of a dot product.
inline constexpr int kQ8Offset = 128;

inline constexpr int kSuperScales = 64;   ///< q4_k, q5_k: d and dmin come first, 16 f16 each
inline constexpr int kSuperHigh = 192;    ///< q4_k, q5_k: the high two bits of scales and mins
inline constexpr int kSuperQuants = 256;  ///< q4_k, q5_k: four chunks of 64 columns
inline constexpr int kSixScales = 64;     ///< q6_k: d, 16 f16, and 32 zeros come first
inline constexpr int kSixQuants = 320;    ///< q6_k: four chunks of 64 columns
inline constexpr int kNibbleLines = 512;  ///< bytes of 64 columns of nibbles

/// q4_k, q5_k: low 4 bits of the scale (low nibble) and of the min (high nibble) of sub-block j.
constexpr int super_low_at(int r, int j) { return kSuperScales + j * kPanelRows + r; }
/// q4_k, q5_k: byte with the high bits of sub-block j; scale at super_high_shift(j), min 4 bits
/// above.
constexpr int super_high_at(int r, int j) { return kSuperHigh + (j % 4) * kPanelRows + r; }
constexpr int super_high_shift(int j) { return 2 * (j / 4); }

/// q6_k: scale of sub-block j (0..15), a signed byte.
constexpr int six_scale_at(int r, int j) { return kSixScales + j * kPanelRows + r; }

/// 64 columns of nibbles: low nibbles are columns 0..31, high nibbles 32..63.
constexpr int nibble_at(int r, int k) { return line_at(r, k % 32); }
constexpr int nibble_shift(int k) { return k / 32 % 2 * 4; }

/// q5_k, q6_k: a chunk of 64 columns is the `bits` (1, 2) high bits of its quants, and then their
/// nibbles. A byte of a high line has the bits of 8 / bits columns that are 4 apart.
constexpr int high_bytes(int bits) { return 128 * bits; }
constexpr int chunk_bytes(int bits) { return high_bytes(bits) + kNibbleLines; }
constexpr int high_at(int r, int k, int bits) { return k % 64 / 4 * bits / 8 * 64 + 4 * r + k % 4; }
constexpr int high_shift(int k, int bits) { return k / 4 * bits % 8; }

}  // namespace octavo::tile
