// What one lane computes of a product of few rows: a unit, 16-byte loads of eight lines of a packed
// tile (four of 16 rows, a quarter of each line), times the activations of these columns.
//
// The four lanes of a unit read whole lines together, eight units side by side make a warp. A lane
// so has all columns of a block for its rows: the sum of a block stays an integer until its scale.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/instructions.cuh"
#include "backend/cuda/kernels/matmul_few.h"
#include "backend/cuda/kernels/numbers.cuh"
#include "quant/tile.h"

namespace octavo::cuda {

/// Rows of a lane: four of a panel.
constexpr int kLaneRows = 4;
constexpr int kUnitLines = 8, kLineBytes = 64;
constexpr int kUnitLanes = kPanelRows / kLaneRows;
constexpr int kWarpUnits = kWarp / kUnitLanes;

/// One row of activations.
struct FewRow {
  const float* x;
  const int8_t* q;
  const float* scale;
  const int32_t* sum;
  int cols;
};
/// With what the units of the format take; the other of a FewInput's two may be null.
template <Format kFormat>
__device__ __forceinline__ FewRow few_row(const FewInput& input, int64_t cols, int row) {
  const int width = static_cast<int>(cols);
  if constexpr (kFormat == Format::kF32 || kFormat == Format::kF16 || kFormat == Format::kBF16) {
    return {input.x + row * input.stride, nullptr, nullptr, nullptr, width};
  } else {
    const int64_t padded = q8_padded(cols), blocks = padded / 32;
    return {nullptr, input.q8.q + row * padded, input.q8.scale + row * blocks,
            input.q8.sum + row * blocks, width};
  }
}

/// Quarters of consecutive lines: words[n][i] has row 4 * quarter + i of line n.
struct Quarters {
  int words[kUnitLines][kLaneRows];
};
__device__ __forceinline__ Quarters load_quarters(const std::byte* first_line, int quarter) {
  Quarters quarters;
#pragma unroll
  for (int n = 0; n < kUnitLines; ++n) {
    const int4 line = load_once(first_line + n * kLineBytes + quarter * 16);
    quarters.words[n][0] = line.x;
    quarters.words[n][1] = line.y;
    quarters.words[n][2] = line.z;
    quarters.words[n][3] = line.w;
  }
  return quarters;
}
__device__ __forceinline__ uint32_t load_word(const std::byte* address) {
  return __ldg(reinterpret_cast<const uint32_t*>(address));
}
/// Four f16 of consecutive rows.
__device__ __forceinline__ void load_f16(const std::byte* address, float (&values)[kLaneRows]) {
  const uint2 pairs = __ldg(reinterpret_cast<const uint2*>(address));
  values[0] = f16_value(pairs.x & 0xFFFF);
  values[1] = f16_value(pairs.x >> 16);
  values[2] = f16_value(pairs.y & 0xFFFF);
  values[3] = f16_value(pairs.y >> 16);
}
/// Activations of kWords * 4 columns.
template <int kWords>
__device__ __forceinline__ void load_q(const int8_t* q, int (&words)[kWords]) {
#pragma unroll
  for (int n = 0; n < kWords; n += 4) {
    const int4 four = __ldg(reinterpret_cast<const int4*>(q + 4 * n));
    words[n] = four.x;
    words[n + 1] = four.y;
    words[n + 2] = four.z;
    words[n + 3] = four.w;
  }
}

constexpr int kNibbles = 0x0F0F0F0F;
__device__ __forceinline__ int low_nibbles(int word) { return word & kNibbles; }
__device__ __forceinline__ int high_nibbles(int word) { return word >> 4 & kNibbles; }
/// Byte i of a word of four rows.
__device__ __forceinline__ int byte_of(uint32_t word, int i) {
  return static_cast<int>(word >> (8 * i) & 255u);
}
__device__ __forceinline__ int signed_byte(uint32_t word, int i) {
  return static_cast<int8_t>(byte_of(word, i));
}

template <Format kFormat>
struct Unit;

/// 64 columns: a tile.
template <>
struct Unit<Format::kQ4_0> {
  static constexpr int kCols = 64;
  Quarters quants;
  float scale[2][kLaneRows];

  __device__ __forceinline__ void load(const std::byte* tile, int, int quarter) {
    quants = load_quarters(tile + tile::kBlockQuants, quarter);
    load_f16(tile + tile::scale_at(kLaneRows * quarter, 0), scale[0]);
    load_f16(tile + tile::scale_at(kLaneRows * quarter, 1), scale[1]);
  }
  __device__ __forceinline__ void add(const FewRow& row, int col, float (&sum)[kLaneRows]) const {
    int q[16];
    load_q(row.q + col, q);
    const float2 x = __ldg(reinterpret_cast<const float2*>(row.scale + col / 32));
    const int2 sums = __ldg(reinterpret_cast<const int2*>(row.sum + col / 32));
#pragma unroll
    for (int i = 0; i < kLaneRows; ++i) {
      int low = -8 * sums.x, high = -8 * sums.y;
#pragma unroll
      for (int n = 0; n < kUnitLines; ++n) {
        low = __dp4a(low_nibbles(quants.words[n][i]), q[n], low);
        high = __dp4a(high_nibbles(quants.words[n][i]), q[n + 8], high);
      }
      sum[i] += static_cast<float>(low) * (scale[0][i] * x.x) +
                static_cast<float>(high) * (scale[1][i] * x.y);
    }
  }
};

/// 32 columns: half a tile.
template <>
struct Unit<Format::kQ8_0> {
  static constexpr int kCols = 32;
  Quarters quants;
  float scale[kLaneRows];

  __device__ __forceinline__ void load(const std::byte* tile, int unit, int quarter) {
    quants = load_quarters(tile + tile::kBlockQuants + unit * kUnitLines * kLineBytes, quarter);
    load_f16(tile + tile::scale_at(kLaneRows * quarter, unit), scale);
  }
  __device__ __forceinline__ void add(const FewRow& row, int col, float (&sum)[kLaneRows]) const {
    int q[8];
    load_q(row.q + col, q);
    const float x = __ldg(row.scale + col / 32);
#pragma unroll
    for (int i = 0; i < kLaneRows; ++i) {
      int dot = 0;
#pragma unroll
      for (int n = 0; n < kUnitLines; ++n) {
        // q + 128 with its first bit turned over is q.
        dot = __dp4a(quants.words[n][i] ^ static_cast<int>(0x80808080u), q[n], dot);
      }
      sum[i] += static_cast<float>(dot) * (scale[i] * x);
    }
  }
};

/// q4_k, q5_k: a chunk of 64 columns, of four in a tile.
template <bool kFifth>
struct SuperUnit {
  static constexpr int kCols = 64;
  Quarters quants;
  int fifth[kFifth ? 2 : 1][kLaneRows];  // bit g: of column 4 g + byte
  float d[kLaneRows], dmin[kLaneRows];
  uint32_t scale[2], min[2];  // a byte for each row

  __device__ __forceinline__ void load(const std::byte* tile, int chunk, int quarter) {
    const int first = kLaneRows * quarter;
    const std::byte* lines = tile + tile::kSuperQuants + chunk * tile::kNibbleLines;
    if constexpr (kFifth) {
      lines = tile + tile::kSuperQuants + chunk * tile::chunk_bytes(1);
#pragma unroll
      for (int b = 0; b < 2; ++b) {
        const int4 bits = load_once(lines + b * kLineBytes + quarter * 16);
        fifth[b][0] = bits.x;
        fifth[b][1] = bits.y;
        fifth[b][2] = bits.z;
        fifth[b][3] = bits.w;
      }
      lines += tile::high_bytes(1);
    }
    quants = load_quarters(lines, quarter);
    load_f16(tile + 2 * first, d);
    load_f16(tile + 2 * kPanelRows + 2 * first, dmin);
    const int shift = tile::super_high_shift(2 * chunk);
#pragma unroll
    for (int b = 0; b < 2; ++b) {
      const uint32_t low = load_word(tile + tile::super_low_at(first, 2 * chunk + b));
      const uint32_t high = load_word(tile + tile::super_high_at(first, 2 * chunk + b)) >> shift;
      scale[b] = (low & kNibbles) | (high & 0x03030303u) << 4;
      min[b] = (low >> 4 & kNibbles) | (high & 0x30303030u);
    }
  }
  __device__ __forceinline__ void add(const FewRow& row, int col, float (&sum)[kLaneRows]) const {
    int q[16];
    load_q(row.q + col, q);
    const float2 x = __ldg(reinterpret_cast<const float2*>(row.scale + col / 32));
    const int2 sums = __ldg(reinterpret_cast<const int2*>(row.sum + col / 32));
    const float sum0 = x.x * static_cast<float>(sums.x), sum1 = x.y * static_cast<float>(sums.y);
#pragma unroll
    for (int i = 0; i < kLaneRows; ++i) {
      int low = 0, high = 0;
#pragma unroll
      for (int n = 0; n < kUnitLines; ++n) {
        int a = low_nibbles(quants.words[n][i]), b = high_nibbles(quants.words[n][i]);
        if constexpr (kFifth) {
          a |= (fifth[0][i] >> n & 0x01010101) << 4;
          b |= (fifth[1][i] >> n & 0x01010101) << 4;
        }
        low = __dp4a(a, q[n], low);
        high = __dp4a(b, q[n + 8], high);
      }
      const auto part = [i](uint32_t word) { return static_cast<float>(byte_of(word, i)); };
      sum[i] += d[i] * (part(scale[0]) * (static_cast<float>(low) * x.x) +
                        part(scale[1]) * (static_cast<float>(high) * x.y)) -
                dmin[i] * (part(min[0]) * sum0 + part(min[1]) * sum1);
    }
  }
};
template <>
struct Unit<Format::kQ4_K> : SuperUnit<false> {};
template <>
struct Unit<Format::kQ5_K> : SuperUnit<true> {};

/// A chunk of 64 columns, of four in a tile; its scales are of 16 columns.
template <>
struct Unit<Format::kQ6_K> {
  static constexpr int kCols = 64;
  Quarters quants;
  int high[4][kLaneRows];  // bits 2 g, 2 g + 1: of column 16 s + 4 g + byte
  float d[kLaneRows];
  uint32_t scale[4];  // a byte for each row

  __device__ __forceinline__ void load(const std::byte* tile, int chunk, int quarter) {
    const int first = kLaneRows * quarter;
    const std::byte* lines = tile + tile::kSixQuants + chunk * tile::chunk_bytes(2);
#pragma unroll
    for (int s = 0; s < 4; ++s) {
      const int4 bits = load_once(lines + s * kLineBytes + quarter * 16);
      high[s][0] = bits.x;
      high[s][1] = bits.y;
      high[s][2] = bits.z;
      high[s][3] = bits.w;
      scale[s] = load_word(tile + tile::six_scale_at(first, 4 * chunk + s));
    }
    quants = load_quarters(lines + tile::high_bytes(2), quarter);
    load_f16(tile + 2 * first, d);
  }
  __device__ __forceinline__ void add(const FewRow& row, int col, float (&sum)[kLaneRows]) const {
    int q[16];
    load_q(row.q + col, q);
    const float2 x = __ldg(reinterpret_cast<const float2*>(row.scale + col / 32));
    int offset[4] = {};  // -32 times the sum of 16 columns
#pragma unroll
    for (int n = 0; n < 16; ++n) {
      offset[n / 4] = __dp4a(static_cast<int>(0xE0E0E0E0u), q[n], offset[n / 4]);
    }
#pragma unroll
    for (int i = 0; i < kLaneRows; ++i) {
      int dot[4] = {offset[0], offset[1], offset[2], offset[3]};
#pragma unroll
      for (int n = 0; n < kUnitLines; ++n) {
        const int s = n / 4, shift = 2 * (n % 4);
        const int word = quants.words[n][i];
        const int a = low_nibbles(word) | (high[s][i] >> shift & 0x03030303) << 4;
        const int b = high_nibbles(word) | (high[s + 2][i] >> shift & 0x03030303) << 4;
        dot[s] = __dp4a(a, q[n], dot[s]);
        dot[s + 2] = __dp4a(b, q[n + 8], dot[s + 2]);
      }
      const auto part = [&](int s) {
        return static_cast<float>(signed_byte(scale[s], i) * dot[s]);
      };
      sum[i] += d[i] * ((part(0) + part(1)) * x.x + (part(2) + part(3)) * x.y);
    }
  }
};

}  // namespace octavo::cuda
