// What the machine's units can do at most: loops that the kernels are measured against.
#if defined(OCTAVO_SIMD_MACHINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_MACHINE_INL_H_
#undef OCTAVO_SIMD_MACHINE_INL_H_
#else
#define OCTAVO_SIMD_MACHINE_INL_H_
#endif

#include "simd/dot-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

/// Chains in flight: enough to fill two units of four cycles each.
constexpr int kChains = 12;

inline uint32_t read_memory(const std::byte* data, int64_t bytes) {
  const auto* words = reinterpret_cast<const int32_t*>(data);
  VI sum[4] = {hn::Zero(DI()), hn::Zero(DI()), hn::Zero(DI()), hn::Zero(DI())};
  const int64_t count = bytes / 4;
  for (int64_t i = 0; i + 4 * kLanes <= count; i += 4 * kLanes) {
    hwy::Prefetch(words + i + kPrefetchBytes / 4);
    for (int j = 0; j < 4; ++j) {
      sum[j] = hn::Xor(sum[j], hn::LoadU(DI(), words + i + j * kLanes));
    }
  }
  const VI all = hn::Xor(hn::Xor(sum[0], sum[1]), hn::Xor(sum[2], sum[3]));
  return static_cast<uint32_t>(hn::GetLane(hn::SumOfLanes(DI(), all)));
}

inline MachineWork spin_float(int64_t rounds) {
  VF sum[kChains];
  for (int j = 0; j < kChains; ++j) sum[j] = hn::Set(DF(), static_cast<float>(j));
  const VF a = hn::Set(DF(), 0.5f), b = hn::Set(DF(), 0.25f);
  for (int64_t i = 0; i < rounds; ++i) {
    for (int j = 0; j < kChains; ++j) sum[j] = hn::MulAdd(sum[j], a, b);
  }
  for (int j = 1; j < kChains; ++j) sum[0] = hn::Add(sum[0], sum[j]);
  const float check = hn::GetLane(hn::SumOfLanes(DF(), sum[0]));
  return {2.0 * kChains * kLanes * static_cast<double>(rounds), check};
}

inline MachineWork spin_int8(int64_t rounds) {
  VI sum[kChains];
  for (int j = 0; j < kChains; ++j) sum[j] = hn::Set(DI(), j);
  const VU8 w = hn::Set(DU8(), 3);
  const VI8 x = hn::Set(DI8(), 2);
  for (int64_t i = 0; i < rounds; ++i) {
    for (int j = 0; j < kChains; ++j) sum[j] = dot_unsigned(sum[j], w, x);
  }
  for (int j = 1; j < kChains; ++j) sum[0] = hn::Add(sum[0], sum[j]);
  const auto check = static_cast<float>(hn::GetLane(hn::SumOfLanes(DI(), sum[0])));
  return {8.0 * kChains * kLanes * static_cast<double>(rounds), check};
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
