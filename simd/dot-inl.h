// The integer dot product underneath the quantized kernels: each 32-bit lane gains the sum of 4
// byte products.
#if defined(OCTAVO_SIMD_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_DOT_INL_H_
#undef OCTAVO_SIMD_DOT_INL_H_
#else
#define OCTAVO_SIMD_DOT_INL_H_
#endif

#include "simd/common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

using DU8 = hn::Repartition<uint8_t, DI>;
using DI8 = hn::Repartition<int8_t, DI>;
using VU8 = hn::Vec<DU8>;
using VI8 = hn::Vec<DI8>;

/// q8_0 bytes carry an offset of 128. Where the instruction set multiplies unsigned by signed bytes
/// without saturation they are used as they are and the offset is taken off by the sum of the
/// activations.
constexpr bool kUnsignedBytes =
    HWY_TARGET == HWY_AVX3_DL || (HWY_TARGET == HWY_AVX2 && OCTAVO_DOT_PRODUCT);

/// acc + w * x for weights 0..15 (nibbles), or for any unsigned bytes where kUnsignedBytes.
HWY_INLINE VI dot_unsigned(VI acc, VU8 w, VI8 x) {
#if HWY_TARGET == HWY_AVX3_DL
  // In assembly, because gcc 12 copies the sums around its own intrinsic at every step.
  asm("vpdpbusd %2, %1, %0" : "+v"(acc.raw) : "v"(w.raw), "v"(x.raw));
  return acc;
#elif HWY_TARGET == HWY_AVX3
  const __m512i pairs = _mm512_maddubs_epi16(w.raw, x.raw);
  return hn::Add(acc, VI{_mm512_madd_epi16(pairs, _mm512_set1_epi16(1))});
#elif HWY_TARGET == HWY_AVX2 && OCTAVO_DOT_PRODUCT
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc.raw) : "x"(w.raw), "x"(x.raw));
  return acc;
#elif HWY_TARGET == HWY_AVX2
  const __m256i pairs = _mm256_maddubs_epi16(w.raw, x.raw);
  return hn::Add(acc, VI{_mm256_madd_epi16(pairs, _mm256_set1_epi16(1))});
#elif HWY_ARCH_X86
  const __m128i pairs = _mm_maddubs_epi16(w.raw, x.raw);
  return hn::Add(acc, VI{_mm_madd_epi16(pairs, _mm_set1_epi16(1))});
#elif OCTAVO_DOT_PRODUCT
  return VI{vdotq_s32(acc.raw, vreinterpretq_s8_u8(w.raw), x.raw)};
#else
  const int8x16_t signed_w = vreinterpretq_s8_u8(w.raw);
  const int16x8_t low = vmull_s8(vget_low_s8(signed_w), vget_low_s8(x.raw));
  const int16x8_t high = vmull_s8(vget_high_s8(signed_w), vget_high_s8(x.raw));
  return hn::Add(acc, VI{vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high))});
#endif
}

/// acc + w * x for signed bytes; x is -127..127. Only where !kUnsignedBytes.
HWY_INLINE VI dot_signed(VI acc, VI8 w, VI8 x) {
#if HWY_TARGET == HWY_AVX3
  const __mmask64 negative = _mm512_movepi8_mask(w.raw);
  const __m512i flipped = _mm512_mask_sub_epi8(x.raw, negative, _mm512_setzero_si512(), x.raw);
  return dot_unsigned(acc, VU8{_mm512_abs_epi8(w.raw)}, VI8{flipped});
#elif HWY_TARGET == HWY_AVX2
  return dot_unsigned(acc, VU8{_mm256_abs_epi8(w.raw)}, VI8{_mm256_sign_epi8(x.raw, w.raw)});
#elif HWY_ARCH_X86 && !(HWY_TARGET == HWY_AVX3_DL)
  return dot_unsigned(acc, VU8{_mm_abs_epi8(w.raw)}, VI8{_mm_sign_epi8(x.raw, w.raw)});
#else
  return dot_unsigned(acc, hn::BitCast(DU8(), w), x);
#endif
}

/// Four consecutive activations in every lane.
HWY_INLINE VI8 broadcast4(const int8_t* x) {
  int32_t group;
  std::memcpy(&group, x, 4);
  return hn::BitCast(DI8(), hn::Set(DI(), group));
}

/// The activations of 16 consecutive columns, which are four groups of 4. NEON's dot product takes
/// a group out of a register; elsewhere each is broadcast from memory.
#if HWY_ARCH_ARM && OCTAVO_DOT_PRODUCT
using Columns16 = int8x16_t;
HWY_INLINE Columns16 load_columns(const int8_t* x) { return vld1q_s8(x); }
#else
using Columns16 = const int8_t*;
HWY_INLINE Columns16 load_columns(const int8_t* x) { return x; }
#endif

/// dot_unsigned() with group kGroup of x.
template <int kGroup>
HWY_INLINE VI dot_unsigned_group(VI acc, VU8 w, Columns16 x) {
#if HWY_ARCH_ARM && OCTAVO_DOT_PRODUCT
  return VI{vdotq_laneq_s32(acc.raw, vreinterpretq_s8_u8(w.raw), x, kGroup)};
#else
  return dot_unsigned(acc, w, broadcast4(x + 4 * kGroup));
#endif
}

/// dot_signed() with group kGroup of x.
template <int kGroup>
HWY_INLINE VI dot_signed_group(VI acc, VI8 w, Columns16 x) {
#if HWY_ARCH_ARM && OCTAVO_DOT_PRODUCT
  return VI{vdotq_laneq_s32(acc.raw, w.raw, x, kGroup)};
#else
  return dot_signed(acc, w, broadcast4(x + 4 * kGroup));
#endif
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
