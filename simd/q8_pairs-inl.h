// Two panels at once, so that an activation is broadcast once for both. The same sums in the same
// order as q8_panel.
#if defined(OCTAVO_SIMD_Q8_PAIRS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_Q8_PAIRS_INL_H_
#undef OCTAVO_SIMD_Q8_PAIRS_INL_H_
#else
#define OCTAVO_SIMD_Q8_PAIRS_INL_H_
#endif

#include "simd/q8_super_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

/// Where registers hold a panel's line whole.
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

/// From how many rows on q6_k's bits are put together once for all of them, and how many rows share
/// that: their sums, [rows][32] floats, stay in the first-level cache.
constexpr int64_t kSixPairRows = 8, kSixPairChunk = 128;

/// One tile of two q6_k panels: quants as bytes in lines of 16 rows x 4 columns, and scales.
struct SixPair {
  HWY_ALIGN uint8_t bytes[2][64][64];  // [panel][line]
  SixScales scales[2];
};

/// Line kLine of nibbles of a chunk: two lines of bytes, 32 columns apart.
template <int kLine>
HWY_INLINE void unpack_six_line(const uint8_t* chunk, uint8_t (*lines)[64]) {
  constexpr int kFrom = tile::high_shift(4 * kLine, 2);
  const VI nibbles = load_line(chunk + tile::high_bytes(2) + 64 * kLine);
  const VI low = load_line(chunk + tile::high_at(0, 4 * kLine, 2));
  const VI high = load_line(chunk + tile::high_at(0, 32 + 4 * kLine, 2));
  hn::Store(long_quants<2, false, kFrom>(nibbles, low), DU8(), lines[kLine]);
  hn::Store(long_quants<2, true, kFrom>(nibbles, high), DU8(), lines[8 + kLine]);
}

HWY_NOINLINE void unpack_six_pair(const std::byte* tile, int64_t panel_bytes, SixPair& out) {
  for (int p = 0; p < 2; ++p, tile += panel_bytes) {
    fetch_ahead<q8_tile_bytes(Format::kQ6_K)>(tile, false);
    unpack_six_scales(tile, out.scales[p]);
    const auto* chunk = reinterpret_cast<const uint8_t*>(tile) + tile::kSixQuants;
    for (int c = 0; c < 4; ++c, chunk += tile::chunk_bytes(2)) {
      uint8_t(*lines)[64] = out.bytes[p] + 16 * c;
      unpack_six_line<0>(chunk, lines);
      unpack_six_line<1>(chunk, lines);
      unpack_six_line<2>(chunk, lines);
      unpack_six_line<3>(chunk, lines);
      unpack_six_line<4>(chunk, lines);
      unpack_six_line<5>(chunk, lines);
      unpack_six_line<6>(chunk, lines);
      unpack_six_line<7>(chunk, lines);
    }
  }
}

/// As q6_k_piece, for sub-block j of both panels.
template <int kPiece, int kRows>
HWY_INLINE void q6_k_pair_piece(const SixPair& w, int j, const Q8Cursor<kRows>& x, int64_t k,
                                VF (&part)[kRows][2]) {
  VI dot[kRows][2];
  for (int r = 0; r < kRows; ++r)
    dot[r][0] = dot[r][1] = hn::Set(DI(), -32 * x.half_sum[r][k / 16]);
  for (int g = 0; g < 4; ++g) {
    const VU8 w0 = hn::Load(DU8(), w.bytes[0][4 * j + g]);
    const VU8 w1 = hn::Load(DU8(), w.bytes[1][4 * j + g]);
    for (int r = 0; r < kRows; ++r) {
      const VI8 values = broadcast4(x.q[r] + k + 4 * g);
      dot[r][0] = dot_unsigned(dot[r][0], w0, values);
      dot[r][1] = dot_unsigned(dot[r][1], w1, values);
    }
  }
  for (int p = 0; p < 2; ++p) {
    const VF scale = hn::Load(DF(), w.scales[p].scale[j]);
    for (int r = 0; r < kRows; ++r) {
      const VF value = hn::ConvertTo(DF(), dot[r][p]);
      part[r][p] = kPiece == 0 ? hn::Mul(value, scale) : hn::MulAdd(value, scale, part[r][p]);
    }
  }
}

/// sums [kRows][2][kPanelRows] += the 256 columns from k on.
template <int kRows>
HWY_INLINE void q6_k_pair_tile(const SixPair& w, const Q8Cursor<kRows>& x, int64_t k, float* sums) {
  VF sum[kRows][2];
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < 2; ++p) sum[r][p] = hn::Load(DF(), sums + (2 * r + p) * kPanelRows);
  }
  for (int j = 0; j < 16; j += 2) {
    VF part[kRows][2];
    q6_k_pair_piece<0>(w, j, x, k + 16 * j, part);
    q6_k_pair_piece<1>(w, j + 1, x, k + 16 * j + 16, part);
    for (int r = 0; r < kRows; ++r) {
      const VF scale = hn::Set(DF(), x.scale[r][k / 32 + j / 2]);
      for (int p = 0; p < 2; ++p) sum[r][p] = hn::MulAdd(part[r][p], scale, sum[r][p]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < 2; ++p) hn::Store(sum[r][p], DF(), sums + (2 * r + p) * kPanelRows);
  }
}

/// As q8_0_pair, for any number of rows.
HWY_NOINLINE void q6_k_pair(const std::byte* panel, int64_t panel_bytes, int64_t tiles,
                            const Q8Rows& x, int64_t rows, float* y, int64_t y_stride,
                            int64_t out_rows) {
  constexpr int kTileBytes = q8_tile_bytes(Format::kQ6_K), kWidth = 2 * kPanelRows;
  constexpr int kBlock = 4;  // as many rows as the registers hold
  HWY_ALIGN float sums[kSixPairChunk * kWidth];
  SixPair w;
  for (int64_t first = 0; first < rows; first += kSixPairChunk) {
    const int64_t here = std::min(kSixPairChunk, rows - first);
    std::fill_n(sums, here * kWidth, 0.0f);
    for (int64_t t = 0; t < tiles; ++t) {
      unpack_six_pair(panel + t * kTileBytes, panel_bytes, w);
      for_row_blocks<kBlock>(here, [&]<int kRows>(int64_t r) {
        const Q8Cursor<kRows> cursor(x, first + r);
        q6_k_pair_tile<kRows>(w, cursor, 256 * t, sums + r * kWidth);
      });
    }
    for (int64_t r = 0; r < here; ++r) {
      std::copy_n(sums + r * kWidth, std::min<int64_t>(out_rows, kWidth),
                  y + (first + r) * y_stride);
    }
  }
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
