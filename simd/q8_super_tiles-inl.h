// One tile of q4_k, q5_k or q6_k times a few rows of int8 activations.
#if defined(OCTAVO_SIMD_Q8_SUPER_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_Q8_SUPER_TILES_INL_H_
#undef OCTAVO_SIMD_Q8_SUPER_TILES_INL_H_
#else
#define OCTAVO_SIMD_Q8_SUPER_TILES_INL_H_
#endif

#include "simd/q8_block_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

/// Scales and mins of a q4_k or q5_k tile as floats, [sub-block][row].
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

/// sum += the dots of sub-block j with its scale and min.
template <int kRows>
HWY_INLINE void add_super_block(const VI (&dot)[kRows], int v, const SuperScales& scales, int j,
                                const Q8Cursor<kRows>& x, int64_t k, VF (&sum)[kRows][kVectors]) {
  const VF scale = hn::Load(DF(), scales.scale[j] + v * kLanes);
  const VF min = hn::Load(DF(), scales.min[j] + v * kLanes);
  for (int r = 0; r < kRows; ++r) {
    const float x_scale = x.scale[r][k / 32];
    const float x_sum = x_scale * static_cast<float>(x.sum[r][k / 32]);
    sum[r][v] = add_block(dot[r], scale, x_scale, sum[r][v]);
    sum[r][v] = hn::NegMulAdd(min, hn::Set(DF(), x_sum), sum[r][v]);
  }
}

template <bool kHigh, int kRows>
HWY_INLINE void q4_k_block(const std::byte* lines, int v, const SuperScales& scales, int j,
                           const Q8Cursor<kRows>& x, int64_t k, VF (&sum)[kRows][kVectors]) {
  VI dot[kRows];
  for (int r = 0; r < kRows; ++r) dot[r] = hn::Zero(DI());
  nibble_dots<kHigh>(lines, v, x, k, dot);
  add_super_block(dot, v, scales, j, x, k, sum);
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

/// Brings bit kFrom of each byte, and those above it, to bit 4; other bits become anything.
template <int kFrom>
HWY_INLINE VI to_bit4(VI bytes) {
  if constexpr (kFrom < 4) {
    return hn::ShiftLeft<4 - kFrom>(bytes);
  } else if constexpr (kFrom > 4) {
    return hn::ShiftRight<kFrom - 4>(bytes);
  } else {
    return bytes;
  }
}

/// Quants of a line of nibbles, its low or its high ones, with the kBits bits of `high` from kFrom
/// on above them.
template <int kBits, bool kHigh, int kFrom>
HWY_INLINE VU8 long_quants(VI nibbles, VI high) {
  if constexpr (kHigh) nibbles = hn::ShiftRight<4>(nibbles);
  const VI low = hn::And(nibbles, hn::Set(DI(), 0x0F0F0F0F));
  const VI mask = hn::Set(DI(), kBits == 1 ? 0x10101010 : 0x30303030);
  return hn::BitCast(DU8(), hn::OrAnd(low, to_bit4<kFrom>(high), mask));
}

HWY_INLINE VI load_line(const uint8_t* line) { return hn::BitCast(DI(), hn::LoadU(DU8(), line)); }

/// nibble_line() for quants with kBits more bits, those of `high` from kFrom on.
template <int kBits, bool kHigh, int kGroup, int kFrom, int kRows>
HWY_INLINE void long_line(const uint8_t* line, VI high, const Columns16 (&x)[kRows],
                          VI (&dot)[kRows]) {
  const VU8 w = long_quants<kBits, kHigh, kFrom>(load_line(line + 64 * kGroup), high);
  for (int r = 0; r < kRows; ++r) dot[r] = dot_unsigned_group<kGroup>(dot[r], w, x[r]);
}

/// Dot products of 16 columns of a chunk, added to `dot`: the first (kPiece 0) or second half of
/// those in the low nibbles, or in the high ones.
template <int kBits, bool kHigh, int kPiece, int kRows>
HWY_INLINE void long_dots(const std::byte* chunk, int v, const Q8Cursor<kRows>& x, int64_t k,
                          VI (&dot)[kRows]) {
  constexpr int kColumn = 32 * kHigh + 16 * kPiece, kFrom = tile::high_shift(kColumn, kBits);
  const auto* bytes = reinterpret_cast<const uint8_t*>(chunk) + 4 * v * kLanes;
  const VI high = load_line(bytes + tile::high_at(0, kColumn, kBits));
  const uint8_t* line = bytes + tile::high_bytes(kBits) + 256 * kPiece;
  Columns16 columns[kRows];
  for (int r = 0; r < kRows; ++r) columns[r] = load_columns(x.q[r] + k + 16 * kPiece);
  long_line<kBits, kHigh, 0, kFrom>(line, high, columns, dot);
  long_line<kBits, kHigh, 1, kFrom + kBits>(line, high, columns, dot);
  long_line<kBits, kHigh, 2, kFrom + 2 * kBits>(line, high, columns, dot);
  long_line<kBits, kHigh, 3, kFrom + 3 * kBits>(line, high, columns, dot);
}

template <bool kHigh, int kRows>
HWY_INLINE void q5_k_block(const std::byte* chunk, int v, const SuperScales& scales, int j,
                           const Q8Cursor<kRows>& x, int64_t k, VF (&sum)[kRows][kVectors]) {
  VI dot[kRows];
  for (int r = 0; r < kRows; ++r) dot[r] = hn::Zero(DI());
  long_dots<1, kHigh, 0>(chunk, v, x, k, dot);
  long_dots<1, kHigh, 1>(chunk, v, x, k, dot);
  add_super_block(dot, v, scales, j, x, k, sum);
}

template <int kRows>
HWY_INLINE void q5_k_tile(const std::byte* tile, const Q8Cursor<kRows>& x, int64_t k,
                          VF (&sum)[kRows][kVectors]) {
  SuperScales scales;
  unpack_super_scales(tile, scales);
  for (int c = 0; c < 4; ++c) {
    const std::byte* chunk = tile + tile::kSuperQuants + tile::chunk_bytes(1) * c;
    for (int v = 0; v < kVectors; ++v) {
      q5_k_block<false>(chunk, v, scales, 2 * c, x, k + 64 * c, sum);
      q5_k_block<true>(chunk, v, scales, 2 * c + 1, x, k + 64 * c + 32, sum);
    }
  }
}

/// Scales of a q6_k tile as floats, [sub-block][row].
struct SixScales {
  HWY_ALIGN float scale[16][kPanelRows];
};

HWY_INLINE void unpack_six_scales(const std::byte* tile, SixScales& out) {
  const hn::Rebind<int8_t, DI> di8;
  const auto* bytes = reinterpret_cast<const int8_t*>(tile);
  for (int v = 0; v < kVectors; ++v) {
    const int r = v * kLanes;
    const VF d = load_f16(tile + 2 * r);
    for (int j = 0; j < 16; ++j) {
      const VI scale = hn::PromoteTo(DI(), hn::LoadU(di8, bytes + tile::six_scale_at(r, j)));
      hn::Store(hn::Mul(hn::ConvertTo(DF(), scale), d), DF(), out.scale[j] + r);
    }
  }
}

/// 16 columns from k on as floats: the dots, less 32 for each quant, times the sub-block's scale.
template <bool kHigh, int kPiece, int kRows>
HWY_INLINE void q6_k_piece(const std::byte* chunk, int v, const SixScales& scales, int j,
                           const Q8Cursor<kRows>& x, int64_t k, VF (&part)[kRows]) {
  VI dot[kRows];
  for (int r = 0; r < kRows; ++r) dot[r] = hn::Set(DI(), -32 * x.half_sum[r][k / 16 + kPiece]);
  long_dots<2, kHigh, kPiece>(chunk, v, x, k, dot);
  const VF scale = hn::Load(DF(), scales.scale[j + kPiece] + v * kLanes);
  for (int r = 0; r < kRows; ++r) {
    const VF value = hn::ConvertTo(DF(), dot[r]);
    part[r] = kPiece == 0 ? hn::Mul(value, scale) : hn::MulAdd(value, scale, part[r]);
  }
}

/// Two sub-blocks of 16 columns, which share an activation scale.
template <bool kHigh, int kRows>
HWY_INLINE void q6_k_block(const std::byte* chunk, int v, const SixScales& scales, int j,
                           const Q8Cursor<kRows>& x, int64_t k, VF (&sum)[kRows][kVectors]) {
  VF part[kRows];
  q6_k_piece<kHigh, 0>(chunk, v, scales, j, x, k, part);
  q6_k_piece<kHigh, 1>(chunk, v, scales, j, x, k, part);
  for (int r = 0; r < kRows; ++r) {
    sum[r][v] = hn::MulAdd(part[r], hn::Set(DF(), x.scale[r][k / 32]), sum[r][v]);
  }
}

template <int kRows>
HWY_INLINE void q6_k_tile(const std::byte* tile, const Q8Cursor<kRows>& x, int64_t k,
                          VF (&sum)[kRows][kVectors]) {
  SixScales scales;
  unpack_six_scales(tile, scales);
  for (int c = 0; c < 4; ++c) {
    const std::byte* chunk = tile + tile::kSixQuants + tile::chunk_bytes(2) * c;
    for (int v = 0; v < kVectors; ++v) {
      q6_k_block<false>(chunk, v, scales, 4 * c, x, k + 64 * c, sum);
      q6_k_block<true>(chunk, v, scales, 4 * c + 2, x, k + 64 * c + 32, sum);
    }
  }
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
