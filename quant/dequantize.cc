#include <algorithm>
#include <cstring>

#include "quant/block.h"
#include "quant/float16.h"
#include "quant/rows.h"

namespace octavo {
namespace {

template <class T>
T load(const std::byte* address) {
  T value;
  std::memcpy(&value, address, sizeof value);
  return value;
}

void dequantize_block(const BlockQ8_0& block, float* dst) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 32; ++i) dst[i] = d * static_cast<float>(block.qs[i]);
}

void dequantize_block(const BlockQ4_0& block, float* dst) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 16; ++i) {
    dst[i] = d * static_cast<float>((block.qs[i] & 15) - 8);
    dst[i + 16] = d * static_cast<float>((block.qs[i] >> 4) - 8);
  }
}

// BlockQ4_K and BlockQ5_K.
template <class Block>
void dequantize_block(const Block& block, float* dst) {
  const float d = f16_to_f32(block.d);
  const float dmin = f16_to_f32(block.dmin);
  for (int j = 0; j < 8; ++j) {
    const ScaleMin sm = get_scale_min(block.scales, j);
    const float scale = d * static_cast<float>(sm.scale);
    const float min = dmin * static_cast<float>(sm.min);
    for (int k = 32 * j; k < 32 * (j + 1); ++k) {
      dst[k] = scale * static_cast<float>(get_quant(block, k)) - min;
    }
  }
}

void dequantize_block(const BlockQ6_K& block, float* dst) {
  const float d = f16_to_f32(block.d);
  for (int j = 0; j < 16; ++j) {
    const float scale = d * static_cast<float>(block.scales[j]);
    for (int k = 16 * j; k < 16 * (j + 1); ++k) {
      dst[k] = scale * static_cast<float>(get_quant(block, k) - 32);
    }
  }
}

template <class Block, int kCols>
void dequantize_blocks(const std::byte* src, std::span<float> dst) {
  float values[kCols];
  for (size_t first = 0; first < dst.size(); first += kCols, src += sizeof(Block)) {
    dequantize_block(load<Block>(src), values);
    std::copy_n(values, std::min<size_t>(kCols, dst.size() - first), dst.begin() + first);
  }
}

}  // namespace

void dequantize_row(Format format, const std::byte* src, std::span<float> dst) {
  switch (format) {
    case Format::kF32:
      std::memcpy(dst.data(), src, dst.size_bytes());
      return;
    case Format::kF16:
      for (size_t i = 0; i < dst.size(); ++i) dst[i] = f16_to_f32(load<uint16_t>(src + 2 * i));
      return;
    case Format::kBF16:
      for (size_t i = 0; i < dst.size(); ++i) dst[i] = bf16_to_f32(load<uint16_t>(src + 2 * i));
      return;
    case Format::kQ8_0:
      return dequantize_blocks<BlockQ8_0, 32>(src, dst);
    case Format::kQ4_0:
      return dequantize_blocks<BlockQ4_0, 32>(src, dst);
    case Format::kQ4_K:
      return dequantize_blocks<BlockQ4_K, 256>(src, dst);
    case Format::kQ5_K:
      return dequantize_blocks<BlockQ5_K, 256>(src, dst);
    case Format::kQ6_K:
      return dequantize_blocks<BlockQ6_K, 256>(src, dst);
  }
}

}  // namespace octavo
