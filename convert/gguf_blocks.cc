#include "convert/gguf_blocks.h"

#include <cstring>

#include "quant/block.h"
#include "quant/float16.h"
#include "quant/rows.h"

namespace octavo {
namespace {

// d, m, dmin: f16 bits. value = d * q (+ m) in blocks of 32; byte i of qs holds value i (low
// nibble) and i + 16 (high nibble); bit i of qh is the fifth bit of value i.
struct BlockQ4_1 {
  uint16_t d, m;
  uint8_t qs[16];
};
struct BlockQ5_0 {
  uint16_t d;
  uint8_t qh[4], qs[16];
};
struct BlockQ5_1 {
  uint16_t d, m;
  uint8_t qh[4], qs[16];
};
struct BlockIQ4_NL {
  uint16_t d;
  uint8_t qs[16];
};
// Super-blocks of 256: 16 groups of 16 values, or 8 of 32 (Q5_K, IQ4_XS), under d.
struct BlockQ2_K {
  uint8_t scales[16], qs[64];  // scale in the low, min in the high nibble
  uint16_t d, dmin;
};
struct BlockQ3_K {
  uint8_t hmask[32], qs[64], scales[12];
  uint16_t d;
};
struct BlockIQ4_XS {
  uint16_t d, scales_h;
  uint8_t scales_l[4], qs[128];
};

// What the nibbles of IQ4_NL and IQ4_XS stand for.
constexpr int8_t kIQ4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};

template <class Block>
Block load(const std::byte* address) {
  Block block;
  std::memcpy(&block, address, sizeof block);
  return block;
}

// Integers of a block of 32 by their place; nibble(i) and fifth(i) as the block stores them.
int nibble(const uint8_t* qs, int i) { return i < 16 ? qs[i] & 15 : qs[i - 16] >> 4; }
int fifth(const uint8_t* qh, int i) { return ((qh[i / 8] >> (i % 8)) & 1) << 4; }

int integer(const BlockQ5_0& block, int i) {
  return (nibble(block.qs, i) | fifth(block.qh, i)) - 16;
}
int integer(const BlockIQ4_NL& block, int i) { return kIQ4Values[nibble(block.qs, i)]; }

template <class Block>
void symmetric(const Block& block, float* dst) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 32; ++i) dst[i] = static_cast<float>(integer(block, i)) * d;
}
void dequantize(const BlockQ5_0& block, float* dst) { symmetric(block, dst); }
void dequantize(const BlockIQ4_NL& block, float* dst) { symmetric(block, dst); }

void dequantize(const BlockQ4_1& block, float* dst) {
  const float d = f16_to_f32(block.d), m = f16_to_f32(block.m);
  for (int i = 0; i < 32; ++i) dst[i] = static_cast<float>(nibble(block.qs, i)) * d + m;
}

void dequantize(const BlockQ5_1& block, float* dst) {
  const float d = f16_to_f32(block.d), m = f16_to_f32(block.m);
  for (int i = 0; i < 32; ++i) {
    dst[i] = static_cast<float>(nibble(block.qs, i) | fifth(block.qh, i)) * d + m;
  }
}

// The two low bits of value i of a Q2_K or Q3_K: 128 values share 32 bytes, each 32 of them two
// bits.
int two_bits(const uint8_t* qs, int i) {
  return (qs[32 * (i / 128) + i % 32] >> (2 * (i % 128 / 32))) & 3;
}

void dequantize(const BlockQ2_K& block, float* dst) {
  const float d = f16_to_f32(block.d), dmin = f16_to_f32(block.dmin);
  for (int group = 0; group < 16; ++group, dst += 16) {
    const float scale = d * static_cast<float>(block.scales[group] & 15);
    const float min = dmin * static_cast<float>(block.scales[group] >> 4);
    for (int i = 0; i < 16; ++i) {
      dst[i] = scale * static_cast<float>(two_bits(block.qs, 16 * group + i)) - min;
    }
  }
}

// 6-bit scale of a group: 4 low bits in the first 8 bytes, 2 high ones in the last 4.
int q3_scale(const uint8_t* scales, int group) {
  const int low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4;
  return (low | (((scales[8 + group % 4] >> (2 * (group / 4))) & 3) << 4)) - 32;
}

void dequantize(const BlockQ3_K& block, float* dst) {
  const float d = f16_to_f32(block.d);
  for (int group = 0; group < 16; ++group, dst += 16) {
    const float scale = d * static_cast<float>(q3_scale(block.scales, group));
    for (int i = 0; i < 16; ++i) {
      const int at = 16 * group + i;
      const int high = (block.hmask[at % 32] >> (at / 32)) & 1;
      dst[i] = scale * static_cast<float>(two_bits(block.qs, at) - (high != 0 ? 0 : 4));
    }
  }
}

void dequantize(const BlockIQ4_XS& block, float* dst) {
  const float d = f16_to_f32(block.d);
  for (int group = 0; group < 8; ++group, dst += 32) {
    const int low = (block.scales_l[group / 2] >> (4 * (group % 2))) & 15;
    const int high = (block.scales_h >> (2 * group)) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    for (int i = 0; i < 32; ++i) {
      dst[i] = scale * static_cast<float>(kIQ4Values[nibble(block.qs + 16 * group, i)]);
    }
  }
}

template <class Block, int kCols>
void dequantize_all(const std::byte* src, std::span<float> dst) {
  for (size_t first = 0; first < dst.size(); first += kCols, src += sizeof(Block)) {
    dequantize(load<Block>(src), dst.data() + first);
  }
}

template <class Block>
void copy_as_q8_0(const std::byte* src, int64_t count, std::byte* dst) {
  for (int64_t b = 0; b < count; ++b, src += sizeof(Block), dst += sizeof(BlockQ8_0)) {
    const auto block = load<Block>(src);
    BlockQ8_0 copy;
    copy.d = block.d;
    for (int i = 0; i < 32; ++i) copy.qs[i] = static_cast<int8_t>(integer(block, i));
    std::memcpy(dst, &copy, sizeof copy);
  }
}

// Where a block has its f16 scale; a min, if any, follows.
int64_t scale_offset(SourceType type) {
  if (type == SourceType::kQ2_K) return offsetof(BlockQ2_K, d);
  if (type == SourceType::kQ3_K) return offsetof(BlockQ3_K, d);
  if (type == SourceType::kQ6_K) return offsetof(BlockQ6_K, d);
  return 0;
}

bool has_min(SourceType type) {
  return type == SourceType::kQ4_1 || type == SourceType::kQ5_1 || type == SourceType::kQ2_K ||
         type == SourceType::kQ4_K || type == SourceType::kQ5_K;
}

bool is_finite_f16(uint16_t bits) {
  constexpr uint16_t kExponent = 0x7C00;  // all ones: infinity or not a number
  return (bits & kExponent) != kExponent;
}

}  // namespace

void dequantize_blocks(SourceType type, const std::byte* src, std::span<float> dst) {
  switch (type) {
    case SourceType::kQ4_0:
      return dequantize_row(Format::kQ4_0, src, dst);
    case SourceType::kQ4_1:
      return dequantize_all<BlockQ4_1, 32>(src, dst);
    case SourceType::kQ5_0:
      return dequantize_all<BlockQ5_0, 32>(src, dst);
    case SourceType::kQ5_1:
      return dequantize_all<BlockQ5_1, 32>(src, dst);
    case SourceType::kQ8_0:
      return dequantize_row(Format::kQ8_0, src, dst);
    case SourceType::kQ2_K:
      return dequantize_all<BlockQ2_K, 256>(src, dst);
    case SourceType::kQ3_K:
      return dequantize_all<BlockQ3_K, 256>(src, dst);
    case SourceType::kQ4_K:
      return dequantize_row(Format::kQ4_K, src, dst);
    case SourceType::kQ5_K:
      return dequantize_row(Format::kQ5_K, src, dst);
    case SourceType::kQ6_K:
      return dequantize_row(Format::kQ6_K, src, dst);
    case SourceType::kIQ4_NL:
      return dequantize_all<BlockIQ4_NL, 32>(src, dst);
    case SourceType::kIQ4_XS:
      return dequantize_all<BlockIQ4_XS, 256>(src, dst);
    case SourceType::kF32:
    case SourceType::kF16:
    case SourceType::kBF16:
      return;  // no blocks
  }
}

void copy_blocks(SourceType type, const std::byte* src, int64_t count, std::byte* dst) {
  if (type == SourceType::kQ5_0) return copy_as_q8_0<BlockQ5_0>(src, count, dst);
  if (type == SourceType::kIQ4_NL) return copy_as_q8_0<BlockIQ4_NL>(src, count, dst);
  std::memcpy(dst, src, static_cast<size_t>(count) * static_cast<size_t>(traits(type).block_bytes));
}

bool has_finite_scales(SourceType type, const std::byte* src, int64_t count) {
  const std::byte* scale = src + scale_offset(type);
  const int64_t stride = traits(type).block_bytes;
  bool finite = true;
  for (int64_t b = 0; b < count; ++b, scale += stride) {
    finite &= is_finite_f16(load<uint16_t>(scale));
    if (has_min(type)) finite &= is_finite_f16(load<uint16_t>(scale + 2));
  }
  return finite;
}

}  // namespace octavo
