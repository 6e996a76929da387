// Quantized weights times int8 activations over the packed order (quant/tile.h): integers within a
// block of 32, one float multiply-add a block. A line of weights is used for every row of the block
// of rows.
#if defined(OCTAVO_SIMD_MATMUL_Q8_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_MATMUL_Q8_INL_H_
#undef OCTAVO_SIMD_MATMUL_Q8_INL_H_
#else
#define OCTAVO_SIMD_MATMUL_Q8_INL_H_
#endif

#include "simd/q8_pairs-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

template <Format kFormat, int kRows>
HWY_NOINLINE void q8_panel(const std::byte* panel, int64_t tiles, const Q8Rows& x, int64_t first,
                           float* y, int64_t y_stride, int64_t out_rows) {
  constexpr int kTileBytes = q8_tile_bytes(kFormat), kTileCols = q8_tile_cols(kFormat);
  const Q8Cursor<kRows> cursor(x, first);
  VF sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(DF());
  }
  for (int64_t t = 0; t < tiles; ++t, panel += kTileBytes) {
    const int64_t k = t * kTileCols;
    // Later rows find the weights in the cache.
    if (first == 0) fetch_ahead<kTileBytes>(panel, kRows == 1);
    if constexpr (kFormat == Format::kQ8_0) q8_0_tile<kRows>(panel, cursor, k, sum);
    if constexpr (kFormat == Format::kQ4_0) q4_0_tile<kRows>(panel, cursor, k, sum);
    if constexpr (kFormat == Format::kQ4_K) q4_k_tile<kRows>(panel, cursor, k, sum);
    if constexpr (kFormat == Format::kQ5_K) q5_k_tile<kRows>(panel, cursor, k, sum);
    if constexpr (kFormat == Format::kQ6_K) q6_k_tile<kRows>(panel, cursor, k, sum);
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      store_first(sum[r][v], y + (first + r) * y_stride + v * kLanes, out_rows - v * kLanes);
    }
  }
}

template <Format kFormat>
HWY_NOINLINE void matmul_q8_as(const std::byte* w, int64_t out_rows, int64_t cols, int64_t begin,
                               int64_t end, const Q8Rows& x, int64_t rows, float* y,
                               int64_t y_stride) {
  const int64_t panel_bytes = packed_panel_bytes(kFormat, cols);
  const int64_t tiles = packed_tiles(kFormat, cols);
  int64_t p = begin;
  if constexpr (kPairs && kFormat == Format::kQ8_0) {
    for (; p + 2 <= end && rows >= kRowBlock; p += 2) {
      const int64_t n = p * kPanelRows;
      for_row_blocks(rows, [&]<int kRows>(int64_t first) {
        q8_0_pair<kRows>(w + p * panel_bytes, panel_bytes, tiles, x, first, y + n, y_stride,
                         out_rows - n);
      });
    }
  }
  if constexpr (kPairs && kFormat == Format::kQ6_K) {
    for (; p + 2 <= end && rows >= kSixPairRows; p += 2) {
      const int64_t n = p * kPanelRows;
      q6_k_pair(w + p * panel_bytes, panel_bytes, tiles, x, rows, y + n, y_stride, out_rows - n);
    }
  }
  for (; p < end; ++p) {
    const int64_t n = p * kPanelRows;
    for_row_blocks(rows, [&]<int kRows>(int64_t first) {
      q8_panel<kFormat, kRows>(w + p * panel_bytes, tiles, x, first, y + n, y_stride, out_rows - n);
    });
  }
}

inline void matmul_q8(Format format, const std::byte* w, int64_t out_rows, int64_t cols,
                      int64_t begin, int64_t end, const Q8Rows& x, int64_t rows, float* y,
                      int64_t y_stride) {
  const auto run = format == Format::kQ8_0   ? matmul_q8_as<Format::kQ8_0>
                   : format == Format::kQ4_0 ? matmul_q8_as<Format::kQ4_0>
                   : format == Format::kQ4_K ? matmul_q8_as<Format::kQ4_K>
                   : format == Format::kQ5_K ? matmul_q8_as<Format::kQ5_K>
                                             : matmul_q8_as<Format::kQ6_K>;
  run(w, out_rows, cols, begin, end, x, rows, y, y_stride);
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
