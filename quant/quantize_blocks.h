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

/// The searched ones. importance: [src.size()], or empty for the default of load_octet.
void quantize_row_q8_0(std::span<const float> src, std::byte* dst,
                       std::span<const float> importance);
void quantize_row_q4_0(std::span<const float> src, std::byte* dst,
                       std::span<const float> importance);
void quantize_row_q4_k(std::span<const float> src, std::byte* dst,
                       std::span<const float> importance);
void quantize_row_q5_k(std::span<const float> src, std::byte* dst,
                       std::span<const float> importance);
void quantize_row_q6_k(std::span<const float> src, std::byte* dst,
                       std::span<const float> importance);

}  // namespace octavo
