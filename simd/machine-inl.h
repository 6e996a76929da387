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

/// `streams` equal regions at once, a few lines of each in turn.
template <int kStreams, bool kFetch>
HWY_INLINE uint32_t read_streams(const std::byte* data, int64_t bytes) {
  constexpr int kLines = 4;  // 64 bytes each
  constexpr int kVectorsInLines = kLines * kVectors;
  const auto* words = reinterpret_cast<const int32_t*>(data);
  const int64_t step = kLines * kPanelRows, stride = bytes / 4 / kStreams / step * step;
  VI sum[kVectorsInLines];
  for (VI& part : sum) part = hn::Zero(DI());
  for (int64_t i = 0; i < stride; i += step) {
    for (int s = 0; s < kStreams; ++s) {
      const int32_t* from = words + s * stride + i;
      for (int j = 0; kFetch && j < kLines; ++j) {
        hwy::Prefetch(from + j * kPanelRows + kPrefetchBytes / 4);
      }
      for (int j = 0; j < kVectorsInLines; ++j) {
        sum[j] = hn::Xor(sum[j], hn::LoadU(DI(), from + j * kLanes));
      }
    }
  }
  HWY_ALIGN uint32_t lanes[kLanes];
  for (int j = 1; j < kVectorsInLines; ++j) sum[0] = hn::Xor(sum[0], sum[j]);
  hn::Store(hn::BitCast(DU(), sum[0]), DU(), lanes);
  uint32_t all = 0;
  for (const uint32_t lane : lanes) all ^= lane;
  for (int64_t i = kStreams * stride; i < bytes / 4; ++i) all ^= static_cast<uint32_t>(words[i]);
  return all;
}

inline uint32_t read_memory(const std::byte* data, int64_t bytes, ReadPattern pattern) {
  switch (pattern.streams) {
    case 4:
      return pattern.fetch ? read_streams<4, true>(data, bytes)
                           : read_streams<4, false>(data, bytes);
    case 2:
      return pattern.fetch ? read_streams<2, true>(data, bytes)
                           : read_streams<2, false>(data, bytes);
    default:
      return pattern.fetch ? read_streams<1, true>(data, bytes)
                           : read_streams<1, false>(data, bytes);
  }
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
