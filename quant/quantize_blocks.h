// What the quantizers share.
#pragma once

#include <cstddef>
#include <span>

#include "quant/float16.h"
#include "quant/format.h"

namespace octavo {

/// f16 bits of the nearest finite f16: a scale beyond the range becomes the largest one.
inline uint16_t finite_f16(float value) {
  constexpr float kLargest = 65504;
  return f32_to_f16(value < -kLargest ? -kLargest : value > kLargest ? kLargest : value);
}

/// f32, f16 and bf16: every value by itself, finite ones to the nearest finite one.
void quantize_float_row(Format format, std::span<const float> src, std::byte* dst);

}  // namespace octavo
