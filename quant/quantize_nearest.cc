// Plain round-to-nearest, as the field's reference quantizers do it: the yardstick of the search.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "quant/block.h"
#include "quant/float16.h"
#include "quant/quantize_blocks.h"
#include "quant/rows.h"

namespace octavo {
namespace {

// The value of the largest magnitude, with its sign.
float extreme(const float* x, int count) {
  float best = 0;
  for (int i = 0; i < count; ++i) {
    if (std::fabs(x[i]) > std::fabs(best)) best = x[i];
  }
  return best;
}

// Integer nearest to `value` in [low, high].
int nearest(float value, int low, int high) {
  if (!(value > static_cast<float>(low))) return low;
  if (value >= static_cast<float>(high)) return high;
  return static_cast<int>(std::round(value));
}

float inverse(float value) {
  return std::fabs(value) < std::numeric_limits<float>::min() ? 0 : 1 / value;
}

void quantize_block(const float* x, BlockQ8_0& block) {
  const float d = std::fabs(extreme(x, 32)) / 127;
  const float per_unit = inverse(d);
  block.d = finite_f16(d);
  for (int i = 0; i < 32; ++i) {
    block.qs[i] = static_cast<int8_t>(nearest(x[i] * per_unit, -127, 127));
  }
}

void quantize_block(const float* x, BlockQ4_0& block) {
  const float d = extreme(x, 32) / -8;
  const float per_unit = inverse(d);
  block.d = finite_f16(d);
  // Half a step up and cut off, as the field does it: ties go up, not away from zero.
  const auto nibble = [&](float value) {
    return nearest(std::floor(value * per_unit + 8.5f), 0, 15);
  };
  for (int i = 0; i < 16; ++i) {
    block.qs[i] = static_cast<uint8_t>(nibble(x[i]) | (nibble(x[i + 16]) << 4));
  }
}

// BlockQ4_K and BlockQ5_K, quants 0..top.
template <class Block>
void quantize_affine(const float* x, int top, Block& block) {
  float scale[8], min[8];
  for (int j = 0; j < 8; ++j) {
    const auto [low, high] = std::minmax_element(x + 32 * j, x + 32 * (j + 1));
    min[j] = std::max(0.0f, -*low);
    scale[j] = (*high + min[j]) / static_cast<float>(top);
  }
  const float d = *std::max_element(scale, scale + 8) / 63;
  const float dmin = *std::max_element(min, min + 8) / 63;
  block = {};
  block.d = finite_f16(d);
  block.dmin = finite_f16(dmin);
  for (int j = 0; j < 8; ++j) {
    const int scale_bits = nearest(scale[j] * inverse(d), 0, 63);
    const int min_bits = nearest(min[j] * inverse(dmin), 0, 63);
    set_scale_min(block.scales, j,
                  {static_cast<uint8_t>(scale_bits), static_cast<uint8_t>(min_bits)});
    const float step = f16_to_f32(block.d) * static_cast<float>(scale_bits);
    const float shift = f16_to_f32(block.dmin) * static_cast<float>(min_bits);
    const float per_unit = inverse(step);
    for (int k = 32 * j; k < 32 * (j + 1); ++k) {
      set_quant(block, k, nearest((x[k] + shift) * per_unit, 0, top));
    }
  }
}

void quantize_block(const float* x, BlockQ4_K& block) { quantize_affine(x, 15, block); }
void quantize_block(const float* x, BlockQ5_K& block) { quantize_affine(x, 31, block); }

void quantize_block(const float* x, BlockQ6_K& block) {
  float scale[16];
  for (int j = 0; j < 16; ++j) scale[j] = extreme(x + 16 * j, 16) / -32;
  const float d = extreme(scale, 16) / -128;
  block = {};
  block.d = finite_f16(d);
  for (int j = 0; j < 16; ++j) {
    block.scales[j] = static_cast<int8_t>(nearest(scale[j] * inverse(d), -128, 127));
    const float per_unit = inverse(f16_to_f32(block.d) * static_cast<float>(block.scales[j]));
    for (int k = 16 * j; k < 16 * (j + 1); ++k) {
      set_quant(block, k, nearest(x[k] * per_unit, -32, 31) + 32);
    }
  }
}

template <class Block, int kCols>
void quantize_blocks(std::span<const float> src, std::byte* dst) {
  float values[kCols];
  for (size_t first = 0; first < src.size(); first += kCols, dst += sizeof(Block)) {
    const size_t count = std::min<size_t>(kCols, src.size() - first);
    std::fill(std::copy_n(src.begin() + first, count, values), values + kCols, 0.0f);
    Block block;
    quantize_block(values, block);
    std::memcpy(dst, &block, sizeof block);
  }
}

}  // namespace

void quantize_row_nearest(Format format, std::span<const float> src, std::byte* dst) {
  switch (format) {
    case Format::kF32:
    case Format::kF16:
    case Format::kBF16:
      return quantize_float_row(format, src, dst);
    case Format::kQ8_0:
      return quantize_blocks<BlockQ8_0, 32>(src, dst);
    case Format::kQ4_0:
      return quantize_blocks<BlockQ4_0, 32>(src, dst);
    case Format::kQ4_K:
      return quantize_blocks<BlockQ4_K, 256>(src, dst);
    case Format::kQ5_K:
      return quantize_blocks<BlockQ5_K, 256>(src, dst);
    case Format::kQ6_K:
      return quantize_blocks<BlockQ6_K, 256>(src, dst);
  }
}

}  // namespace octavo
