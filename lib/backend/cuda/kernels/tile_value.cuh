// Single values out of the packed order, straight from quant/tile.h: the plainly right twin of what
// the products do to whole tiles, and what embed() needs.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "backend/cuda/kernels/launch.h"
#include "quant/tile.h"

namespace octavo::cuda {

/// Columns and bytes of a tile (FormatTraits; quant/format.cc is host code).
struct TileShape {
  int cols, bytes;
};
__host__ __device__ constexpr TileShape tile_shape(Format format) {
  switch (format) {
    case Format::kF32:
      return {16, 16 * kPanelRows * 4};
    case Format::kF16:
    case Format::kBF16:
      return {32, 32 * kPanelRows * 2};
    case Format::kQ8_0:
      return {64, tile::kBlockQuants + 64 * kPanelRows};
    case Format::kQ4_0:
      return {64, tile::kBlockQuants + 32 * kPanelRows};
    case Format::kQ4_K:
      return {256, tile::kSuperQuants + 4 * tile::kNibbleLines};
    case Format::kQ5_K:
      return {256, tile::kSuperQuants + 4 * tile::chunk_bytes(1)};
    case Format::kQ6_K:
      return {256, tile::kSixQuants + 4 * tile::chunk_bytes(2)};
  }
  return {1, 1};
}
/// Bytes of one panel of 16 rows.
__host__ __device__ constexpr int64_t panel_bytes(Format format, int64_t cols) {
  const TileShape shape = tile_shape(format);
  return (cols + shape.cols - 1) / shape.cols * shape.bytes;
}

__device__ __forceinline__ float f16_at(const uint8_t* address) {
  return __half2float(__ushort_as_half(*reinterpret_cast<const unsigned short*>(address)));
}
__device__ __forceinline__ float bf16_at(const uint8_t* address) {
  return __uint_as_float(uint32_t{*reinterpret_cast<const unsigned short*>(address)} << 16);
}

__device__ __forceinline__ int nibble_at(const uint8_t* lines, int r, int k) {
  return (lines[tile::nibble_at(r, k)] >> tile::nibble_shift(k)) & 15;
}
/// q5_k, q6_k: a quant with `bits` bits above its nibble.
__device__ __forceinline__ int chunk_quant_at(const uint8_t* chunk, int r, int k, int bits) {
  const int high = chunk[tile::high_at(r, k, bits)] >> tile::high_shift(k, bits);
  return nibble_at(chunk + tile::high_bytes(bits), r, k) | (high & ((1 << bits) - 1)) << 4;
}

/// value = scale * quant - min, in two roundings as the CPU has them.
struct ScaleMinValue {
  float scale, min;
};
/// q4_k, q5_k: those of row r, sub-block j (32 columns).
__device__ __forceinline__ ScaleMinValue super_scale_at(const uint8_t* tile, int r, int j) {
  const int low = tile[tile::super_low_at(r, j)];
  const int high = tile[tile::super_high_at(r, j)] >> tile::super_high_shift(j);
  return {f16_at(tile + 2 * r) * static_cast<float>((low & 15) | ((high & 3) << 4)),
          f16_at(tile + 2 * (kPanelRows + r)) *
              static_cast<float>((low >> 4) | (((high >> 4) & 3) << 4))};
}
__device__ __forceinline__ float super_value_at(const uint8_t* tile, int r, int j, int q) {
  const ScaleMinValue s = super_scale_at(tile, r, j);
  return __fadd_rn(__fmul_rn(s.scale, static_cast<float>(q)), -s.min);
}

/// Value of row r, column k of one tile.
__device__ inline float tile_value(Format format, const uint8_t* tile, int r, int k) {
  switch (format) {
    case Format::kF32:
      return *reinterpret_cast<const float*>(tile + tile::f32_at(r, k));
    case Format::kF16:
      return f16_at(tile + tile::f16_at(r, k));
    case Format::kBF16:
      return bf16_at(tile + tile::bf16_at(r, k));
    case Format::kQ8_0: {
      const int q = tile[tile::kBlockQuants + tile::line_at(r, k)] - tile::kQ8Offset;
      return f16_at(tile + tile::scale_at(r, k / 32)) * static_cast<float>(q);
    }
    case Format::kQ4_0: {
      const int q = nibble_at(tile + tile::kBlockQuants, r, k) - 8;
      return f16_at(tile + tile::scale_at(r, k / 32)) * static_cast<float>(q);
    }
    case Format::kQ4_K: {
      const uint8_t* lines = tile + tile::kSuperQuants + tile::kNibbleLines * (k / 64);
      return super_value_at(tile, r, k / 32, nibble_at(lines, r, k));
    }
    case Format::kQ5_K: {
      const uint8_t* chunk = tile + tile::kSuperQuants + tile::chunk_bytes(1) * (k / 64);
      return super_value_at(tile, r, k / 32, chunk_quant_at(chunk, r, k, 1));
    }
    case Format::kQ6_K: {
      const uint8_t* chunk = tile + tile::kSixQuants + tile::chunk_bytes(2) * (k / 64);
      const auto scale = static_cast<signed char>(tile[tile::six_scale_at(r, k / 16)]);
      return f16_at(tile + 2 * r) * static_cast<float>(scale) *
             static_cast<float>(chunk_quant_at(chunk, r, k, 2) - 32);
    }
  }
  return 0;
}

/// Row `row`, column k of a matrix.
__device__ inline float matrix_value(const Matrix& w, int64_t row, int64_t k) {
  const auto* data = reinterpret_cast<const uint8_t*>(w.data);
  if (w.order == Order::kPlain) return reinterpret_cast<const float*>(data)[row * w.cols + k];
  const TileShape shape = tile_shape(w.format);
  // 32 bits: a 64-bit division takes longer than the load.
  const auto width = static_cast<unsigned>(shape.cols), col = static_cast<unsigned>(k);
  const unsigned tiles = (static_cast<unsigned>(w.cols) + width - 1) / width;
  const uint8_t* tile = data + (row / kPanelRows * tiles + col / width) * shape.bytes;
  return tile_value(w.format, tile, static_cast<int>(row % kPanelRows),
                    static_cast<int>(col % width));
}

}  // namespace octavo::cuda
