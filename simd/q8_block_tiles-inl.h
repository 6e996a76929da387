// One tile of q4_0 or q8_0 times a few rows of int8 activations.
#if defined(OCTAVO_SIMD_Q8_BLOCK_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_Q8_BLOCK_TILES_INL_H_
#undef OCTAVO_SIMD_Q8_BLOCK_TILES_INL_H_
#else
#define OCTAVO_SIMD_Q8_BLOCK_TILES_INL_H_
#endif

#include "quant/tile.h"
#include "simd/dot-inl.h"

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

/// kRows rows of quantized activations, advanced tile by tile.
template <int kRows>
struct Q8Cursor {
  const int8_t* q[kRows];
  const float* scale[kRows];
  const int32_t* sum[kRows];
  const int32_t* half_sum[kRows];

  HWY_INLINE Q8Cursor(const Q8Rows& x, int64_t first) {
    for (int r = 0; r < kRows; ++r) {
      q[r] = x.q + (first + r) * x.padded;
      scale[r] = x.scale + (first + r) * (x.padded / 32);
      sum[r] = x.sum + (first + r) * (x.padded / 32);
      half_sum[r] = x.half_sum + (first + r) * (x.padded / 16);
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

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
