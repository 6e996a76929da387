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

/// 6-bit scale and min of sub-block j (0..7) of a BlockQ4_K.
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
