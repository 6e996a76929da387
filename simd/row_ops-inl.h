// Kernels on single rows: quantize, norm, SwiGLU, axpy, rotary embedding, narrowing to the cache.
#if defined(OCTAVO_SIMD_ROW_OPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_ROW_OPS_INL_H_
#undef OCTAVO_SIMD_ROW_OPS_INL_H_
#else
#define OCTAVO_SIMD_ROW_OPS_INL_H_
#endif

#include <cmath>

#include "hwy/contrib/math/math-inl.h"
#include "quant/block.h"
#include "quant/float16.h"
#include "simd/common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

/// One whole block of 32 values.
HWY_INLINE void quantize_block(const float* x, int64_t block, const Q8Rows& out) {
  int8_t* q = out.q + 32 * block;
  VF largest = hn::Zero(DF());
  for (int i = 0; i < 32; i += kLanes) {
    largest = hn::Max(largest, hn::Abs(hn::LoadU(DF(), x + i)));
  }
  const float top = hn::GetLane(hn::MaxOfLanes(DF(), largest));
  const VF inverse = hn::Set(DF(), top >= kQ8SmallestMax ? 127.0f / top : 0.0f);
  const hn::Rebind<int8_t, DI> di8;
  int32_t* half_sum = out.half_sum + 2 * block;
  for (int half = 0; half < 2; ++half) {
    VI total = hn::Zero(DI());
    for (int i = 16 * half; i < 16 * (half + 1); i += kLanes) {
      const VI rounded = hn::NearestInt(hn::Mul(hn::LoadU(DF(), x + i), inverse));
      total = hn::Add(total, rounded);
      hn::StoreU(hn::DemoteTo(di8, rounded), di8, q + i);
    }
    half_sum[half] = hn::GetLane(hn::SumOfLanes(DI(), total));
  }
  out.scale[block] = top / 127.0f;
  out.sum[block] = half_sum[0] + half_sum[1];
}

inline void quantize_q8(const float* x, int64_t cols, int64_t row, const Q8Rows& out) {
  for (int64_t first = 0; first < out.padded; first += 32) {
    const int64_t block = (row * out.padded + first) / 32;
    if (first + 32 <= cols) {
      quantize_block(x + first, block, out);
    } else {
      HWY_ALIGN float rest[32] = {};
      if (first < cols) std::copy(x + first, x + cols, rest);
      quantize_block(rest, block, out);
    }
  }
}

inline void rmsnorm(const float* x, const float* gain, float eps, int64_t cols, float* out) {
  VF squares = hn::Zero(DF());
  int64_t k = 0;
  for (; k + kLanes <= cols; k += kLanes) {
    const VF v = hn::LoadU(DF(), x + k);
    squares = hn::MulAdd(v, v, squares);
  }
  float sum = hn::GetLane(hn::SumOfLanes(DF(), squares));
  for (; k < cols; ++k) sum += x[k] * x[k];
  const float scale = 1.0f / std::sqrt(sum / static_cast<float>(cols) + eps);
  for (k = 0; k + kLanes <= cols; k += kLanes) {
    const VF scaled = hn::Mul(hn::LoadU(DF(), x + k), hn::Set(DF(), scale));
    hn::StoreU(hn::Mul(scaled, hn::LoadU(DF(), gain + k)), DF(), out + k);
  }
  for (; k < cols; ++k) out[k] = x[k] * scale * gain[k];
}

/// Calls whole(i) for whole vectors of [0, count) and rest(i) for the values that are left.
template <class Whole, class Rest>
HWY_INLINE void for_each_vector(int64_t count, const Whole& whole, const Rest& rest) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) whole(i);
  for (; i < count; ++i) rest(i);
}

inline void swiglu(float* gate, const float* up, int64_t count) {
  for_each_vector(
      count,
      [&](int64_t i) {
        const VF g = hn::LoadU(DF(), gate + i);
        // Beyond 88 exp overflows and the product is zero to the last bit anyway.
        const VF e = hn::Exp(DF(), hn::Min(hn::Neg(g), hn::Set(DF(), 88.0f)));
        const VF silu = hn::Div(g, hn::Add(hn::Set(DF(), 1.0f), e));
        hn::StoreU(hn::Mul(silu, hn::LoadU(DF(), up + i)), DF(), gate + i);
      },
      [&](int64_t i) { gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i]; });
}

inline void axpy(float a, const float* x, float* y, int64_t count) {
  for_each_vector(
      count,
      [&](int64_t i) {
        const VF sum = hn::MulAdd(hn::Set(DF(), a), hn::LoadU(DF(), x + i), hn::LoadU(DF(), y + i));
        hn::StoreU(sum, DF(), y + i);
      },
      [&](int64_t i) { y[i] += a * x[i]; });
}

inline void rope(float* x, const float* cosine, const float* sine, int64_t half) {
  for_each_vector(
      half,
      [&](int64_t i) {
        const VF a = hn::LoadU(DF(), x + i), b = hn::LoadU(DF(), x + i + half);
        const VF c = hn::LoadU(DF(), cosine + i), s = hn::LoadU(DF(), sine + i);
        hn::StoreU(hn::NegMulAdd(b, s, hn::Mul(a, c)), DF(), x + i);
        hn::StoreU(hn::MulAdd(b, c, hn::Mul(a, s)), DF(), x + i + half);
      },
      [&](int64_t i) {
        const float a = x[i], b = x[i + half];
        x[i] = a * cosine[i] - b * sine[i];
        x[i + half] = a * sine[i] + b * cosine[i];
      });
}

/// Without F16C Highway narrows to f16 in software and truncates.
constexpr bool kNarrowsToNearest = HWY_TARGET != HWY_SSE4 && HWY_TARGET != HWY_SSSE3;

/// The rest of a block are zeros.
inline void to_q8_cache(const float* x, std::byte* out, int64_t count) {
  for (int64_t first = 0; first < count; first += 32, out += sizeof(BlockQ8_0)) {
    HWY_ALIGN float values[32] = {};
    std::copy_n(x + first, std::min<int64_t>(32, count - first), values);
    VF most = hn::Zero(DF());
    for (int64_t i = 0; i < 32; i += kLanes) {
      most = hn::Max(most, hn::Abs(hn::Load(DF(), values + i)));
    }
    BlockQ8_0 block;
    const float largest = hn::GetLane(hn::MaxOfLanes(DF(), most));
    block.d = f32_to_f16(std::min(largest / 127.0f, 65504.0f));
    const float scale = f16_to_f32(block.d), inverse = scale > 0 ? 1.0f / scale : 0.0f;
    const hn::Rebind<int8_t, DI> di8;
    for (int64_t i = 0; i < 32; i += kLanes) {
      const VF quants = hn::Mul(hn::Load(DF(), values + i), hn::Set(DF(), inverse));
      const VF near = hn::Min(hn::Max(quants, hn::Set(DF(), -127.0f)), hn::Set(DF(), 127.0f));
      hn::StoreU(hn::DemoteTo(di8, hn::NearestInt(near)), di8, block.qs + i);
    }
    std::memcpy(out, &block, sizeof(block));
  }
}

inline void to_cache(CacheFormat format, const float* x, std::byte* out, int64_t count) {
  if (format == CacheFormat::kQ8_0) return to_q8_cache(x, out, count);
  if (format == CacheFormat::kF32) {
    std::memcpy(out, x, 4 * count);
    return;
  }
  auto* bits = reinterpret_cast<uint16_t*>(out);
  if (format == CacheFormat::kF16 && !kNarrowsToNearest) {
    for (int64_t i = 0; i < count; ++i) bits[i] = f32_to_f16(x[i]);
    return;
  }
  if (format == CacheFormat::kF16) {
    const hn::Rebind<hwy::float16_t, DF> dh;
    for_each_vector(
        count,
        [&](int64_t i) {
          hn::StoreU(hn::DemoteTo(dh, hn::LoadU(DF(), x + i)), dh,
                     reinterpret_cast<hwy::float16_t*>(out) + i);
        },
        [&](int64_t i) { bits[i] = f32_to_f16(x[i]); });
    return;
  }
  const hn::Rebind<uint16_t, DF> du16;
  for_each_vector(
      count,
      [&](int64_t i) {  // nearest even: Highway's own narrowing truncates
        const auto u = hn::BitCast(DU(), hn::LoadU(DF(), x + i));
        const auto lowest = hn::And(hn::ShiftRight<16>(u), hn::Set(DU(), 1));
        const auto rounded = hn::Add(u, hn::Add(lowest, hn::Set(DU(), 0x7FFF)));
        const auto top = hn::BitCast(DI(), hn::ShiftRight<16>(rounded));
        hn::StoreU(hn::DemoteTo(du16, top), du16, bits + i);
      },
      [&](int64_t i) { bits[i] = f32_to_bf16(x[i]); });
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
