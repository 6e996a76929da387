// The units of few_units.cuh for float weights, which meet activations as floats.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/few_units.cuh"

namespace octavo::cuda {

/// Float activations have no padding.
__device__ __forceinline__ float value_at(const FewRow& row, int col) {
  return col < row.cols ? __ldg(row.x + col) : 0.0f;
}

/// 8 columns: half a tile.
template <>
struct Unit<Format::kF32> {
  static constexpr int kCols = 8;
  Quarters values;

  __device__ __forceinline__ void load(const std::byte* tile, int unit, int quarter) {
    values = load_quarters(tile + unit * kUnitLines * kLineBytes, quarter);
  }
  __device__ __forceinline__ void add(const FewRow& row, int col, float (&sum)[kLaneRows]) const {
#pragma unroll
    for (int n = 0; n < kUnitLines; ++n) {
      const float x = value_at(row, col + n);
#pragma unroll
      for (int i = 0; i < kLaneRows; ++i) sum[i] += __int_as_float(values.words[n][i]) * x;
    }
  }
};

/// 16 columns: half a tile of pairs of columns.
template <>
struct Unit<Format::kBF16> {
  static constexpr int kCols = 16;
  Quarters pairs;

  __device__ __forceinline__ void load(const std::byte* tile, int unit, int quarter) {
    pairs = load_quarters(tile + unit * kUnitLines * kLineBytes, quarter);
  }
  __device__ __forceinline__ void add(const FewRow& row, int col, float (&sum)[kLaneRows]) const {
#pragma unroll
    for (int n = 0; n < kUnitLines; ++n) {
      const float x0 = value_at(row, col + 2 * n), x1 = value_at(row, col + 2 * n + 1);
#pragma unroll
      for (int i = 0; i < kLaneRows; ++i) {
        const auto pair = static_cast<uint32_t>(pairs.words[n][i]);
        sum[i] += __uint_as_float(pair << 16) * x0 + __uint_as_float(pair & 0xFFFF0000u) * x1;
      }
    }
  }
};

/// 16 columns: half a tile. A line has one column of all rows in each half, so a lane's four rows
/// are 8 bytes of each.
template <>
struct Unit<Format::kF16> {
  static constexpr int kCols = 16;
  uint2 halves[kCols];

  __device__ __forceinline__ void load(const std::byte* tile, int unit, int quarter) {
#pragma unroll
    for (int k = 0; k < kCols; ++k) {
      const std::byte* column = tile + tile::f16_at(kLaneRows * quarter, unit * kCols + k);
      halves[k] = __ldg(reinterpret_cast<const uint2*>(column));
    }
  }
  __device__ __forceinline__ void add(const FewRow& row, int col, float (&sum)[kLaneRows]) const {
#pragma unroll
    for (int k = 0; k < kCols; ++k) {
      const float x = value_at(row, col + k);
      sum[0] += f16_value(halves[k].x & 0xFFFF) * x;
      sum[1] += f16_value(halves[k].x >> 16) * x;
      sum[2] += f16_value(halves[k].y & 0xFFFF) * x;
      sum[3] += f16_value(halves[k].y >> 16) * x;
    }
  }
};

}  // namespace octavo::cuda
