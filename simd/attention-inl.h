// One token against the KV cache. The query heads of a group share each key and value that is
// loaded.
#if defined(OCTAVO_SIMD_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_ATTENTION_INL_H_
#undef OCTAVO_SIMD_ATTENTION_INL_H_
#else
#define OCTAVO_SIMD_ATTENTION_INL_H_
#endif

#include <cmath>

#include "hwy/contrib/math/math-inl.h"
#include "quant/float16.h"
#include "simd/common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

/// kLanes cached values as f32.
template <CacheFormat kFormat>
HWY_INLINE VF load_cached(const std::byte* data) {
  if constexpr (kFormat == CacheFormat::kF32) {
    return hn::LoadU(DF(), reinterpret_cast<const float*>(data));
  } else if constexpr (kFormat == CacheFormat::kF16) {
    return load_f16(data);
  } else {
    const hn::Rebind<uint16_t, DU> du16;
    const auto bits = hn::LoadU(du16, reinterpret_cast<const uint16_t*>(data));
    return hn::BitCast(DF(), hn::ShiftLeft<16>(hn::PromoteTo(DU(), bits)));
  }
}

template <CacheFormat kFormat>
HWY_INLINE float load_cached_one(const std::byte* data) {
  if constexpr (kFormat == CacheFormat::kF32) {
    float value;
    std::memcpy(&value, data, 4);
    return value;
  } else {
    uint16_t bits;
    std::memcpy(&bits, data, 2);
    return kFormat == CacheFormat::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
  }
}

template <CacheFormat kFormat>
constexpr int kCachedBytes = kFormat == CacheFormat::kF32 ? 4 : 2;

/// scores[g * total] = q[g] . key for kGroup heads.
template <CacheFormat kFormat, int kGroup>
HWY_INLINE void score_key(const float* q, int64_t head_dim, const std::byte* key, float scale,
                          float* scores, int64_t total) {
  VF dot[kGroup];
  for (int g = 0; g < kGroup; ++g) dot[g] = hn::Zero(DF());
  int64_t k = 0;
  for (; k + kLanes <= head_dim; k += kLanes) {
    const VF v = load_cached<kFormat>(key + k * kCachedBytes<kFormat>);
    for (int g = 0; g < kGroup; ++g) {
      dot[g] = hn::MulAdd(v, hn::LoadU(DF(), q + g * head_dim + k), dot[g]);
    }
  }
  for (int g = 0; g < kGroup; ++g) {
    float sum = hn::GetLane(hn::SumOfLanes(DF(), dot[g]));
    for (int64_t i = k; i < head_dim; ++i) {
      sum += q[g * head_dim + i] * load_cached_one<kFormat>(key + i * kCachedBytes<kFormat>);
    }
    scores[g * total] = sum * scale;
  }
}

/// out[g] += scores[g * total] * value for kGroup heads.
template <CacheFormat kFormat, int kGroup>
HWY_INLINE void add_value(const float* scores, int64_t total, const std::byte* value,
                          int64_t head_dim, float* out) {
  int64_t k = 0;
  for (; k + kLanes <= head_dim; k += kLanes) {
    const VF v = load_cached<kFormat>(value + k * kCachedBytes<kFormat>);
    for (int g = 0; g < kGroup; ++g) {
      float* o = out + g * head_dim + k;
      hn::StoreU(hn::MulAdd(hn::Set(DF(), scores[g * total]), v, hn::LoadU(DF(), o)), DF(), o);
    }
  }
  for (; k < head_dim; ++k) {
    const float v = load_cached_one<kFormat>(value + k * kCachedBytes<kFormat>);
    for (int g = 0; g < kGroup; ++g) out[g * head_dim + k] += scores[g * total] * v;
  }
}

/// scores = exp(scores - max); returns their sum. `total` > 0.
HWY_INLINE float exponentiate(float* scores, int64_t total) {
  float largest = scores[0];
  for (int64_t i = 1; i < total; ++i) largest = std::max(largest, scores[i]);
  int64_t i = 0;
  VF sums = hn::Zero(DF());
  for (; i + kLanes <= total; i += kLanes) {
    const VF e = hn::Exp(DF(), hn::Sub(hn::LoadU(DF(), scores + i), hn::Set(DF(), largest)));
    hn::StoreU(e, DF(), scores + i);
    sums = hn::Add(sums, e);
  }
  float sum = hn::GetLane(hn::SumOfLanes(DF(), sums));
  for (; i < total; ++i) sum += scores[i] = std::exp(scores[i] - largest);
  return sum;
}

template <CacheFormat kFormat, int kGroup>
HWY_NOINLINE void attend_group(const float* q, int64_t head_dim, float scale,
                               std::span<const KvRun> runs, int64_t total, float* scores,
                               float* out) {
  const int64_t entry = head_dim * kCachedBytes<kFormat>;
  int64_t i = 0;
  for (const KvRun& run : runs) {
    for (int64_t n = 0; n < run.count; ++n, ++i) {
      score_key<kFormat, kGroup>(q, head_dim, run.keys + n * entry, scale, scores + i, total);
    }
  }
  float sum[kGroup];
  for (int g = 0; g < kGroup; ++g) sum[g] = exponentiate(scores + g * total, total);
  std::fill_n(out, kGroup * head_dim, 0.0f);
  i = 0;
  for (const KvRun& run : runs) {
    for (int64_t n = 0; n < run.count; ++n, ++i) {
      add_value<kFormat, kGroup>(scores + i, total, run.values + n * entry, head_dim, out);
    }
  }
  for (int g = 0; g < kGroup; ++g) {
    const float inverse = 1.0f / sum[g];
    for (int64_t k = 0; k < head_dim; ++k) out[g * head_dim + k] *= inverse;
  }
}

template <CacheFormat kFormat>
HWY_NOINLINE void attend_as(const float* q, int64_t group, int64_t head_dim, float scale,
                            std::span<const KvRun> runs, float* scores, float* out) {
  int64_t total = 0;
  for (const KvRun& run : runs) total += run.count;
  int64_t g = 0;
  for (; g + 4 <= group; g += 4) {
    attend_group<kFormat, 4>(q + g * head_dim, head_dim, scale, runs, total, scores + g * total,
                             out + g * head_dim);
  }
  for (; g < group; ++g) {
    attend_group<kFormat, 1>(q + g * head_dim, head_dim, scale, runs, total, scores + g * total,
                             out + g * head_dim);
  }
}

inline void attend(CacheFormat format, const float* q, int64_t group, int64_t head_dim, float scale,
                   std::span<const KvRun> runs, float* scores, float* out) {
  const auto run = format == CacheFormat::kF32   ? attend_as<CacheFormat::kF32>
                   : format == CacheFormat::kF16 ? attend_as<CacheFormat::kF16>
                                                 : attend_as<CacheFormat::kBF16>;
  run(q, group, head_dim, scale, runs, scores, out);
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
