// Eight groups of 32 values side by side. Every loop over the lanes has a fixed length and no
// reduction, so compilers vectorise it without reordering a sum: the same bytes on every machine.
// `omp simd` on the hot ones only keeps gcc from unrolling them before it vectorises.
#pragma once

#include <algorithm>
#include <span>

namespace octavo {

inline constexpr int kLanes = 8;
inline constexpr int kGroup = 32;

/// One number of each group.
struct alignas(32) Lanes {
  float v[kLanes] = {};
};

/// 8 groups with the importance of each value. Absent values are zeros of no importance.
struct Octet {
  Lanes x[kGroup];
  Lanes weight[kGroup];
  Lanes weighted[kGroup];  ///< weight * x
};

/// Larger magnitudes are beyond every format's range, which ends at 128 * 32 * the largest f16.
inline constexpr float kLargestValue = 0x1p28f;

/// Nearest integer (ties to even) in [low, high], as a float; |value| is below 2^22 after clamping.
inline float round_in(float value, float low, float high) {
  constexpr float kMagic = 0x1.8p23f;
  const float raised = value > low ? value : low;
  const float clamped = raised < high ? raised : high;
  return (clamped + kMagic) - kMagic;
}

/// Reads up to 256 values; importance may be empty, then a value weighs 1 + |value| / root mean
/// square of its group: large values, which carry more of a product, weigh more.
void load_octet(std::span<const float> src, std::span<const float> importance, Octet& octet);

}  // namespace octavo
