// Quantized weights times int8 activations over the packed order (quant/tile.h): integers within a
// block of 32, one float multiply-add a block. A line of weights is used for every row of the block
// of rows.
#if defined(OCTAVO_SIMD_MATMUL_Q8_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_MATMUL_Q8_INL_H_
#undef OCTAVO_SIMD_MATMUL_Q8_INL_H_
#else
#define OCTAVO_SIMD_MATMUL_Q8_INL_H_
#endif

#include "quant/tile.h"
#include "simd/dot-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

/// kRows rows of quantized activations, advanced tile by tile.
template <int kRows>
struct Q8Cursor {
  const int8_t* q[kRows];
  const float* scale[kRows];
  const int32_t* sum[kRows];

  HWY_INLINE Q8Cursor(const Q8Rows& x, int64_t first) {
    for (int r = 0; r < kRows; ++r) {
      q[r] = x.q + (first + r) * x.padded;
      scale[r] = x.scale + (first + r) * (x.padded / 32);
      sum[r] = x.sum + (first + r) * (x.padded / 32);
    }
  }
};

/// Adds group kGroup of each row's activations times a line's low nibbles, or its high ones.
template <bool kHigh, int kGroup, int kRows>
HWY_INLINE void nibble_line(const uint8_t* line, const Columns16 (&x)[kRows], VI (&dot)[kRows]) {
  VI bytes = hn::BitCast(DI(), hn::LoadU(DU8(), line + 64 * kGroup));
  if constexpr (kHigh) bytes = hn::ShiftRight<4>(bytes);
  const VU8 w = hn::BitCast(DU8(), hn::And(bytes, hn::Set(DI(), 0x0F0F0F0F)));
  for (int r = 0; r < kRows; ++r) dot[r] = dot_unsigned_group<kGroup>(dot[r], w, x[r]);
}

/// Dot products of 32 columns of nibbles, added to `dot`: the low nibbles of 8 lines, or the high
/// ones.
template <bool kHigh, int kRows>
HWY_INLINE void nibble_dots(const std::byte* lines, int v, const Q8Cursor<kRows>& x, int64_t k,
                            VI (&dot)[kRows]) {
  const auto* line = reinterpret_cast<const uint8_t*>(lines) + 4 * v * kLanes;
  for (int c = 0; c < 32; c += 16, line += 256) {
    Columns16 columns[kRows];
    for (int r = 0; r < kRows; ++r) columns[r] = load_columns(x.q[r] + k + c);
    nibble_line<kHigh, 0>(line, columns, dot);
    nibble_line<kHigh, 1>(line, columns, dot);
    nibble_line<kHigh, 2>(line, columns, dot);
    nibble_line<kHigh, 3>(line, columns, dot);
  }
}

/// sum += dot * weight scale * activation scale
HWY_INLINE VF add_block(VI dot, VF weight_scale, float scale, VF sum) {
  return hn::MulAdd(hn::ConvertTo(DF(), dot), hn::Mul(weight_scale, hn::Set(DF(), scale)), sum);
}

template <bool kHigh, int kRows>
HWY_INLINE void q4_0_block(const std::byte* tile, int v, const Q8Cursor<kRows>& x, int64_t k,
                           VF (&sum)[kRows][kVectors]) {
  VI dot[kRows];
  for (int r = 0; r < kRows; ++r) dot[r] = hn::Set(DI(), -8 * x.sum[r][k / 32]);
  nibble_dots<kHigh>(tile + tile::kBlockQuants, v, x, k, dot);
  const VF scale = load_f16(tile + tile::scale_at(v * kLanes, kHigh));
  for (int r = 0; r < kRows; ++r) {
    sum[r][v] = add_block(dot[r], scale, x.scale[r][k / 32], sum[r][v]);
  }
}

template <int kRows>
HWY_INLINE void q4_0_tile(const std::byte* tile, const Q8Cursor<kRows>& x, int64_t k,
                          VF (&sum)[kRows][kVectors]) {
  for (int v = 0; v < kVectors; ++v) {
    q4_0_block<false>(tile, v, x, k, sum);
    q4_0_block<true>(tile, v, x, k + 32, sum);
  }
}

/// Adds group kGroup of each row's activations times a line of q8_0 bytes.
template <int kGroup, int kRows>
HWY_INLINE void byte_line(const uint8_t* line, const Columns16 (&x)[kRows], VI (&dot)[kRows]) {
  const VU8 bytes = hn::LoadU(DU8(), line + 64 * kGroup);
  if constexpr (kUnsignedBytes) {
    for (int r = 0; r < kRows; ++r) dot[r] = dot_unsigned_group<kGroup>(dot[r], bytes, x[r]);
  } else {
    const VI8 w = hn::BitCast(DI8(), hn::Xor(bytes, hn::Set(DU8(), tile::kQ8Offset)));
    for (int r = 0; r < kRows; ++r) dot[r] = dot_signed_group<kGroup>(dot[r], w, x[r]);
  }
}

/// 32 columns of one vector of rows.
template <int kRows>
HWY_INLINE void q8_0_block(const std::byte* tile, int b, int v, const Q8Cursor<kRows>& x, int64_t k,
                           VF (&sum)[kRows][kVectors]) {
  VI dot[kRows];
  for (int r = 0; r < kRows; ++r) {
    dot[r] = kUnsignedBytes ? hn::Set(DI(), -tile::kQ8Offset * x.sum[r][k / 32]) : hn::Zero(DI());
  }
  const auto* line =
      reinterpret_cast<const uint8_t*>(tile) + tile::kBlockQuants + 512 * b + 4 * v * kLanes;
  for (int c = 0; c < 32; c += 16, line += 256) {
    Columns16 columns[kRows];
    for (int r = 0; r < kRows; ++r) columns[r] = load_columns(x.q[r] + k + c);
    byte_line<0>(line, columns, dot);
    byte_line<1>(line, columns, dot);
    byte_line<2>(line, columns, dot);
    byte_line<3>(line, columns, dot);
  }
  const VF scale = load_f16(tile + tile::scale_at(v * kLanes, b));
  for (int r = 0; r < kRows; ++r) {
    sum[r][v] = add_block(dot[r], scale, x.scale[r][k / 32], sum[r][v]);
  }
}

template <int kRows>
HWY_INLINE void q8_0_tile(const std::byte* tile, const Q8Cursor<kRows>& x, int64_t k,
                          VF (&sum)[kRows][kVectors]) {
  for (int b = 0; b < 2; ++b) {
    for (int v = 0; v < kVectors; ++v) q8_0_block(tile, b, v, x, k + 32 * b, sum);
  }
}

/// Scales and mins of a q4_k tile as floats, [sub-block][row].
struct SuperScales {
  HWY_ALIGN float scale[8][kPanelRows];
  HWY_ALIGN float min[8][kPanelRows];
};

HWY_INLINE void unpack_super_scales(const std::byte* tile, SuperScales& out) {
  const hn::Rebind<uint8_t, DI> du8;
  const auto* bytes = reinterpret_cast<const uint8_t*>(tile);
  const VI mask4 = hn::Set(DI(), 15), mask_high = hn::Set(DI(), 0x30);
  for (int v = 0; v < kVectors; ++v) {
    const int r = v * kLanes;
    const VF d = load_f16(tile + 2 * r);
    const VF dmin = load_f16(tile + 2 * (kPanelRows + r));
    for (int j = 0; j < 8; ++j) {
      const VI low = hn::PromoteTo(DI(), hn::LoadU(du8, bytes + tile::super_low_at(r, j)));
      VI high = hn::PromoteTo(DI(), hn::LoadU(du8, bytes + tile::super_high_at(r, j)));
      if (j >= 4) high = hn::ShiftRight<2>(high);  // now scale in bits 0-1, min in bits 4-5
      const VI scale = hn::Or(hn::And(low, mask4), hn::And(hn::ShiftLeft<4>(high), mask_high));
      const VI min = hn::Or(hn::ShiftRight<4>(low), hn::And(high, mask_high));
      hn::Store(hn::Mul(hn::ConvertTo(DF(), scale), d), DF(), out.scale[j] + r);
      hn::Store(hn::Mul(hn::ConvertTo(DF(), min), dmin), DF(), out.min[j] + r);
    }
  }
}

template <bool kHigh, int kRows>
HWY_INLINE void q4_k_block(const std::byte* lines, int v, const SuperScales& scales, int j,
                           const Q8Cursor<kRows>& x, int64_t k, VF (&sum)[kRows][kVectors]) {
  VI dot[kRows];
  for (int r = 0; r < kRows; ++r) dot[r] = hn::Zero(DI());
  nibble_dots<kHigh>(lines, v, x, k, dot);
  const VF scale = hn::Load(DF(), scales.scale[j] + v * kLanes);
  const VF min = hn::Load(DF(), scales.min[j] + v * kLanes);
  for (int r = 0; r < kRows; ++r) {
    const float x_scale = x.scale[r][k / 32];
    const float x_sum = x_scale * static_cast<float>(x.sum[r][k / 32]);
    sum[r][v] = add_block(dot[r], scale, x_scale, sum[r][v]);
    sum[r][v] = hn::NegMulAdd(min, hn::Set(DF(), x_sum), sum[r][v]);
  }
}

template <int kRows>
HWY_INLINE void q4_k_tile(const std::byte* tile, const Q8Cursor<kRows>& x, int64_t k,
                          VF (&sum)[kRows][kVectors]) {
  SuperScales scales;
  unpack_super_scales(tile, scales);
  for (int chunk = 0; chunk < 4; ++chunk) {
    const std::byte* lines = tile + tile::kSuperQuants + tile::kNibbleLines * chunk;
    for (int v = 0; v < kVectors; ++v) {
      q4_k_block<false>(lines, v, scales, 2 * chunk, x, k + 64 * chunk, sum);
      q4_k_block<true>(lines, v, scales, 2 * chunk + 1, x, k + 64 * chunk + 32, sum);
    }
  }
}

constexpr int q8_tile_bytes(Format format) {
  return format == Format::kQ8_0   ? tile::kBlockQuants + 2 * tile::kNibbleLines
         : format == Format::kQ4_0 ? tile::kBlockQuants + tile::kNibbleLines
                                   : tile::kSuperQuants + 4 * tile::kNibbleLines;
}

template <Format kFormat, int kRows>
HWY_NOINLINE void q8_panel(const std::byte* panel, int64_t tiles, const Q8Rows& x, int64_t first,
                           float* y, int64_t y_stride, int64_t out_rows) {
  constexpr int kTileBytes = q8_tile_bytes(kFormat);
  const FormatTraits& format = traits(kFormat);
  const Q8Cursor<kRows> cursor(x, first);
  VF sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(DF());
  }
  for (int64_t t = 0; t < tiles; ++t, panel += format.tile_bytes) {
    const int64_t k = t * format.tile_cols;
    // Later rows find the weights in the cache.
    if (first == 0) fetch_ahead<kTileBytes>(panel, kRows == 1);
    if constexpr (kFormat == Format::kQ8_0) q8_0_tile<kRows>(panel, cursor, k, sum);
    if constexpr (kFormat == Format::kQ4_0) q4_0_tile<kRows>(panel, cursor, k, sum);
    if constexpr (kFormat == Format::kQ4_K) q4_k_tile<kRows>(panel, cursor, k, sum);
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
                                             : matmul_q8_as<Format::kQ4_K>;
  run(w, out_rows, cols, begin, end, x, rows, y, y_stride);
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
