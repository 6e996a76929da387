// Tags and small helpers shared by the kernels of one target. A panel's 16 rows are kVectors
// vectors of kLanes.
#if defined(OCTAVO_SIMD_COMMON_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_COMMON_INL_H_
#undef OCTAVO_SIMD_COMMON_INL_H_
#else
#define OCTAVO_SIMD_COMMON_INL_H_
#endif

#include <algorithm>
#include <cstring>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "simd/kernels.h"

// Highway 1.0.3 leaves the AVX-512 form of VNNI out of the attributes of its VNNI target.
#if HWY_TARGET == HWY_AVX3_DL && !defined(OCTAVO_VNNI_TARGET_STR)
#define OCTAVO_VNNI_TARGET_STR                                    \
  HWY_TARGET_STR_AVX3                                             \
  ",vpclmulqdq,avx512vbmi,avx512vbmi2,vaes,avxvnni,avx512bitalg," \
  "avx512vpopcntdq,avx512vnni"
#endif
#if HWY_TARGET == HWY_AVX3_DL
#undef HWY_TARGET_STR
#define HWY_TARGET_STR OCTAVO_VNNI_TARGET_STR
#endif

// 1 in dot_product_kernels.cc: AVX-VNNI goes with AVX2, sdot with NEON.
#ifndef OCTAVO_DOT_PRODUCT
#define OCTAVO_DOT_PRODUCT 0
#endif

#undef OCTAVO_VECTOR_TARGET
#define OCTAVO_VECTOR_TARGET (HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR)

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::CappedTag<float, kPanelRows>;
using DI = hn::Rebind<int32_t, DF>;
using DU = hn::Rebind<uint32_t, DF>;
using VF = hn::Vec<DF>;
using VI = hn::Vec<DI>;
using VU = hn::Vec<DU>;

constexpr int kLanes = static_cast<int>(hn::MaxLanes(DF()));
constexpr int kVectors = kPanelRows / kLanes;
/// Rows of activations that share one pass over the weights: as many as the registers hold.
constexpr int kRowBlock = kVectors == 1 ? 8 : kVectors == 2 || HWY_ARCH_ARM_A64 ? 4 : 2;
/// How far ahead the weights are fetched, in whole tiles of the 4-bit formats.
constexpr int kPrefetchBytes = 6912;

/// Asks for each line of kBytes that lie kPrefetchBytes ahead; past the second-level cache if they
/// are needed once only.
template <int kBytes>
HWY_INLINE void fetch_ahead(const std::byte* address, bool once) {
  for (int at = 0; at < kBytes; at += 64) {
    const std::byte* line = address + kPrefetchBytes + at;
    once ? __builtin_prefetch(line, 0, 0) : __builtin_prefetch(line, 0, 3);
  }
}

/// kLanes f16 values as f32.
HWY_INLINE VF load_f16(const std::byte* address) {
  const hn::Rebind<hwy::float16_t, DF> dh;
  return hn::PromoteTo(DF(), hn::LoadU(dh, reinterpret_cast<const hwy::float16_t*>(address)));
}

/// kLanes floats to y[0..kLanes), of which only the first `count` exist.
HWY_INLINE void store_first(VF values, float* y, int64_t count) {
  if (count >= kLanes) {
    hn::StoreU(values, DF(), y);
  } else if (count > 0) {
    HWY_ALIGN float lanes[kLanes];
    hn::Store(values, DF(), lanes);
    std::copy_n(lanes, count, y);
  }
}

/// Calls block.template operator()<n>(first) for rows [0, rows) in blocks of kRowBlock, then 4, 2
/// and 1.
template <int kBlock = kRowBlock, class Block>
HWY_INLINE void for_row_blocks(int64_t rows, const Block& block, int64_t first = 0) {
  for (; rows - first >= kBlock; first += kBlock) block.template operator()<kBlock>(first);
  if constexpr (kBlock > 1) for_row_blocks<kBlock / 2>(rows, block, first);
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
