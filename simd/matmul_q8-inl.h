// Quantized weights times int8 activations over the packed order (quant/tile.h): integers within a
// block of 32, one float multiply-add a block. A line of weights is used for every row of the block
// of rows.
#if defined(OCTAVO_SIMD_MATMUL_Q8_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_MATMUL_Q8_INL_H_
#undef OCTAVO_SIMD_MATMUL_Q8_INL_H_
#else
#define OCTAVO_SIMD_MATMUL_Q8_INL_H_
#endif

#include "simd/q8_super_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

constexpr int q8_tile_bytes(Format format) {
  return format == Format::kQ8_0   ? tile::kBlockQuants + 2 * tile::kNibbleLines
         : format == Format::kQ4_0 ? tile::kBlockQuants + tile::kNibbleLines
         : format == Format::kQ4_K ? tile::kSuperQuants + 4 * tile::kNibbleLines
         : format == Format::kQ5_K ? tile::kSuperQuants + 4 * tile::chunk_bytes(1)
                                   : tile::kSixQuants + 4 * tile::chunk_bytes(2);
}
constexpr int q8_tile_cols(Format format) { return is_super(format) ? 256 : 64; }

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

/// Two q8_0 panels at once, so that an activation is broadcast once for both: where registers hold
/// a panel's line whole and no half has to be unpacked. The same sums in the same order as
/// q8_panel.
constexpr bool kPairs = kVectors == 1 && kUnsignedBytes;

template <int kRows>
HWY_INLINE void q8_0_pair_block(const std::byte* const (&tile)[2], int b, const Q8Cursor<kRows>& x,
                                int64_t k, VF (&sum)[kRows][2]) {
  VI dot[kRows][2];
  for (int r = 0; r < kRows; ++r) {
    dot[r][0] = dot[r][1] = hn::Set(DI(), -tile::kQ8Offset * x.sum[r][k / 32]);
  }
  for (int g = 0; g < 8; ++g) {
    const int at = tile::kBlockQuants + 512 * b + 64 * g;
    const VU8 w0 = hn::LoadU(DU8(), reinterpret_cast<const uint8_t*>(tile[0]) + at);
    const VU8 w1 = hn::LoadU(DU8(), reinterpret_cast<const uint8_t*>(tile[1]) + at);
    for (int r = 0; r < kRows; ++r) {
      const VI8 values = broadcast4(x.q[r] + k + 4 * g);
      dot[r][0] = dot_unsigned(dot[r][0], w0, values);
      dot[r][1] = dot_unsigned(dot[r][1], w1, values);
    }
  }
  for (int p = 0; p < 2; ++p) {
    const VF scale = load_f16(tile[p] + tile::scale_at(0, b));
    for (int r = 0; r < kRows; ++r) {
      sum[r][p] = add_block(dot[r][p], scale, x.scale[r][k / 32], sum[r][p]);
    }
  }
}

/// y [rows, y_stride] of the first panel; 16 columns further that of the second, of which
/// `out_rows - 16` exist.
template <int kRows>
HWY_NOINLINE void q8_0_pair(const std::byte* panel, int64_t panel_bytes, int64_t tiles,
                            const Q8Rows& x, int64_t first, float* y, int64_t y_stride,
                            int64_t out_rows) {
  constexpr int kTileBytes = q8_tile_bytes(Format::kQ8_0);
  const Q8Cursor<kRows> cursor(x, first);
  VF sum[kRows][2];
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = hn::Zero(DF());
  for (int64_t t = 0; t < tiles; ++t, panel += kTileBytes) {
    const std::byte* const tile[2] = {panel, panel + panel_bytes};
    if (first == 0) fetch_ahead<kTileBytes>(tile[0], false);
    if (first == 0) fetch_ahead<kTileBytes>(tile[1], false);
    for (int b = 0; b < 2; ++b) q8_0_pair_block(tile, b, cursor, 64 * t + 32 * b, sum);
  }
  for (int r = 0; r < kRows; ++r) {
    float* to = y + (first + r) * y_stride;
    store_first(sum[r][0], to, kPanelRows);
    store_first(sum[r][1], to + kPanelRows, out_rows - kPanelRows);
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
