#include <cmath>
#include <cstring>

#include "quant/quantize_blocks.h"
#include "quant/rows.h"

namespace octavo {
namespace {

uint16_t finite_bf16(float value) {
  const uint16_t bits = f32_to_bf16(value);
  const bool overflow = std::isfinite(value) && (bits & 0x7FFF) == 0x7F80;
  return overflow ? static_cast<uint16_t>(bits - 1) : bits;
}

}  // namespace

void quantize_float_row(Format format, std::span<const float> src, std::byte* dst) {
  if (format == Format::kF32) {
    std::memcpy(dst, src.data(), src.size_bytes());
    return;
  }
  for (size_t i = 0; i < src.size(); ++i) {
    const uint16_t bits = format == Format::kF16 ? finite_f16(src[i]) : finite_bf16(src[i]);
    std::memcpy(dst + 2 * i, &bits, 2);
  }
}

void quantize_row(Format format, std::span<const float> src, std::byte* dst,
                  std::span<const float> importance) {
  switch (format) {
    case Format::kF32:
    case Format::kF16:
    case Format::kBF16:
      return quantize_float_row(format, src, dst);
    case Format::kQ8_0:
      return quantize_row_q8_0(src, dst, importance);
    case Format::kQ4_0:
      return quantize_row_q4_0(src, dst, importance);
    case Format::kQ4_K:
      return quantize_row_q4_k(src, dst, importance);
    case Format::kQ5_K:
      return quantize_row_q5_k(src, dst, importance);
    case Format::kQ6_K:
      return quantize_row_q6_k(src, dst, importance);
  }
}

}  // namespace octavo
