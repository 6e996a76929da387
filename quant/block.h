// Blocks in row order, with the exact layout and meaning of GGUF's types of the same names
// (ggml-common.h of llama.cpp documents them). The packed order is another arrangement of the same
// numbers.
#pragma once

#include <cstdint>

namespace octavo {

/// 32 values: value[i] = d * qs[i].
struct BlockQ8_0 {
  uint16_t d;  ///< f16 bits
  int8_t qs[32];
};
static_assert(sizeof(BlockQ8_0) == 34);

/// 32 values: value[i] = d * (nibble[i] - 8); byte i holds value i (low) and i + 16 (high).
struct BlockQ4_0 {
  uint16_t d;  ///< f16 bits
  uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_0) == 18);

/// 256 values in 8 sub-blocks j of 32: value = d * scale[j] * nibble - dmin * min[j].
/// 64 values share 32 bytes: low nibbles are the even sub-block, high nibbles the odd one.
struct BlockQ4_K {
  uint16_t d;          ///< f16 bits: scale of the scales
  uint16_t dmin;       ///< f16 bits: scale of the mins
  uint8_t scales[12];  ///< 8 scales and 8 mins of 6 bits
  uint8_t qs[128];
};
static_assert(sizeof(BlockQ4_K) == 144);

/// The same with 5 bits: byte i of qh holds the fifth bit of value 32 * j + i in bit j.
struct BlockQ5_K {
  uint16_t d;          ///< f16 bits: scale of the scales
  uint16_t dmin;       ///< f16 bits: scale of the mins
  uint8_t scales[12];  ///< 8 scales and 8 mins of 6 bits
  uint8_t qh[32];
  uint8_t qs[128];
};
static_assert(sizeof(BlockQ5_K) == 176);

/// 256 values in 16 sub-blocks j of 16: value = d * scale[j] * (q - 32), q from 0 to 63. The halves
/// of 128 values have their own bytes; 64 values further on are the high nibbles of ql, 32 further
/// the next two bits of qh.
struct BlockQ6_K {
  uint8_t ql[128];    ///< low 4 bits
  uint8_t qh[64];     ///< high 2 bits
  int8_t scales[16];  ///< one for 16 values
  uint16_t d;         ///< f16 bits: scale of the scales
};
static_assert(sizeof(BlockQ6_K) == 210);

/// The quant of value k (0..255), as it is stored.
inline int get_quant(const BlockQ4_K& block, int k) {
  return (block.qs[k / 64 * 32 + k % 32] >> (k / 32 % 2 * 4)) & 15;
}
inline int get_quant(const BlockQ5_K& block, int k) {
  const int low = (block.qs[k / 64 * 32 + k % 32] >> (k / 32 % 2 * 4)) & 15;
  return low | ((block.qh[k % 32] >> (k / 32)) & 1) << 4;
}
inline int get_quant(const BlockQ6_K& block, int k) {
  const int low = (block.ql[k / 128 * 64 + k % 64] >> (k / 64 % 2 * 4)) & 15;
  return low | ((block.qh[k / 128 * 32 + k % 32] >> (k / 32 % 4 * 2)) & 3) << 4;
}

/// Writes it; the bytes of all quants must start zeroed.
inline void add_bits(uint8_t& byte, int bits) { byte = static_cast<uint8_t>(byte | bits); }
inline void set_quant(BlockQ4_K& block, int k, int q) {
  add_bits(block.qs[k / 64 * 32 + k % 32], q << (k / 32 % 2 * 4));
}
inline void set_quant(BlockQ5_K& block, int k, int q) {
  add_bits(block.qs[k / 64 * 32 + k % 32], (q & 15) << (k / 32 % 2 * 4));
  add_bits(block.qh[k % 32], q >> 4 << (k / 32));
}
inline void set_quant(BlockQ6_K& block, int k, int q) {
  add_bits(block.ql[k / 128 * 64 + k % 64], (q & 15) << (k / 64 % 2 * 4));
  add_bits(block.qh[k / 128 * 32 + k % 32], q >> 4 << (k / 32 % 4 * 2));
}

/// 6-bit scale and min of sub-block j (0..7) of a BlockQ4_K or BlockQ5_K.
struct ScaleMin {
  uint8_t scale, min;
};
inline ScaleMin get_scale_min(const uint8_t* scales, int j) {
  if (j < 4) {
    return {static_cast<uint8_t>(scales[j] & 63), static_cast<uint8_t>(scales[j + 4] & 63)};
  }
  return {static_cast<uint8_t>((scales[j + 4] & 0xF) | ((scales[j - 4] >> 6) << 4)),
          static_cast<uint8_t>((scales[j + 4] >> 4) | ((scales[j] >> 6) << 4))};
}

/// Writes the 6-bit scale and min of sub-block j; the 12 bytes must start zeroed, any order of j.
inline void set_scale_min(uint8_t* scales, int j, ScaleMin value) {
  if (j < 4) {
    scales[j] = static_cast<uint8_t>((scales[j] & 0xC0) | (value.scale & 63));
    scales[j + 4] = static_cast<uint8_t>((scales[j + 4] & 0xC0) | (value.min & 63));
    return;
  }
  scales[j + 4] = static_cast<uint8_t>((value.scale & 0xF) | ((value.min & 0xF) << 4));
  scales[j - 4] = static_cast<uint8_t>((scales[j - 4] & 0x3F) | ((value.scale >> 4) << 6));
  scales[j] = static_cast<uint8_t>((scales[j] & 0x3F) | ((value.min >> 4) << 6));
}

}  // namespace octavo
