// The angles of rotary position embedding.
#pragma once

#include <cmath>
#include <cstdint>

namespace octavo {

/// Angle of pair i of `half` at `position`, as the models were trained with: f32 position times f32
/// frequency.
inline float rope_angle(double theta, int64_t position, int64_t i, int64_t half) {
  const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(2 * half);
  return static_cast<float>(position) * static_cast<float>(std::pow(theta, exponent));
}

}  // namespace octavo
