// The tile registers of AMX as a small interface over which the tile kernels are written, and its
// emulation, so that every machine can test them. Tiles are numbered by template arguments, as the
// instructions need them.
#pragma once

#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "quant/float16.h"

namespace octavo {

inline constexpr int kTiles = 8, kTileRows = 16, kTileRowBytes = 64;
inline constexpr int kTileBytes = kTileRows * kTileRowBytes;

/// What LDTILECFG reads; here all tiles are as large as palette 1 allows.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);
inline constexpr TileConfig kTileConfig;

/// The instructions in plain C++, by Intel's description of them. Starts as LDTILECFG leaves the
/// tiles: zero.
class EmulatedTiles {
 public:
  template <int kTile>
  void zero() {
    std::memset(tile_[kTile], 0, kTileBytes);
  }
  /// Rows `stride` bytes apart.
  template <int kTile>
  void load(const void* from, int64_t stride) {
    zero<kTile>();
    for (int m = 0; m < kTileConfig.rows[kTile]; ++m) {
      std::memcpy(tile_[kTile][m], static_cast<const std::byte*>(from) + m * stride,
                  kTileConfig.row_bytes[kTile]);
    }
  }
  template <int kTile>
  void store(void* to, int64_t stride) const {
    for (int m = 0; m < kTileConfig.rows[kTile]; ++m) {
      std::memcpy(static_cast<std::byte*>(to) + m * stride, tile_[kTile][m],
                  kTileConfig.row_bytes[kTile]);
    }
  }

  /// sum[m][n] += products of the four bytes of a[m][k] and of b[k][n], over all k; it wraps.
  template <int kSum, int kA, int kB>
  void dot_int8() {
    for_lanes<kSum>([&](int m, int n) {
      auto sum = at<uint32_t>(kSum, m, n);
      for (int k = 0; k < kTileConfig.row_bytes[kA] / 4; ++k) {
        for (int i = 0; i < 4; ++i) {
          const int product = at<int8_t>(kA, m, 4 * k + i) * at<int8_t>(kB, k, 4 * n + i);
          sum += static_cast<uint32_t>(product);
        }
      }
      set(kSum, m, n, sum);
    });
  }

  /// The same for pairs of bf16: a chain of multiply-adds for the even columns and one for the odd
  /// ones; subnormals count as zeros.
  template <int kSum, int kA, int kB>
  void dot_bf16() {
    for_lanes<kSum>([&](int m, int n) {
      float chain[2] = {0, 0};
      for (int k = 0; k < kTileConfig.row_bytes[kA] / 4; ++k) {
        for (int i = 0; i < 2; ++i) {
          const float a = flush(bf16_to_f32(at<uint16_t>(kA, m, 2 * k + i)));
          const float b = flush(bf16_to_f32(at<uint16_t>(kB, k, 2 * n + i)));
          chain[i] = flush(std::fma(a, b, chain[i]));
        }
      }
      set(kSum, m, n, flush(flush(at<float>(kSum, m, n)) + flush(chain[0] + chain[1])));
    });
  }

 private:
  template <int kTile, class Visit>
  void for_lanes(const Visit& visit) {
    for (int m = 0; m < kTileConfig.rows[kTile]; ++m) {
      for (int n = 0; n < kTileConfig.row_bytes[kTile] / 4; ++n) visit(m, n);
    }
  }
  template <class T>
  T at(int tile, int row, int i) const {
    T value;
    std::memcpy(&value, tile_[tile][row] + i * sizeof(T), sizeof(T));
    return value;
  }
  template <class T>
  void set(int tile, int row, int i, T value) {
    std::memcpy(tile_[tile][row] + i * sizeof(T), &value, sizeof(T));
  }
  static float flush(float value) {
    return std::abs(value) < FLT_MIN ? std::copysign(0.0f, value) : value;
  }

  alignas(64) std::byte tile_[kTiles][kTileRows][kTileRowBytes] = {};
};

}  // namespace octavo
