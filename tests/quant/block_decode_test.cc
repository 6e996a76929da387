// Blocks written out by hand, byte for byte as GGUF defines them, decode to the values it gives.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

#include "quant/block.h"
#include "quant/float16.h"
#include "quant/rows.h"

namespace octavo::test {
namespace {

std::vector<float> decode(Format format, std::span<const uint8_t> bytes, size_t cols) {
  std::vector<float> values(cols);
  dequantize_row(format, reinterpret_cast<const std::byte*>(bytes.data()), values);
  return values;
}

TEST(BlockDecode, Q8_0) {
  std::array<uint8_t, 34> bytes = {0x00, 0x38};  // f16 0.5, little-endian
  bytes[2] = 0x7F;                               // value 0: 127
  bytes[3] = 0x81;                               // value 1: -127
  bytes[33] = 0xFF;                              // value 31: -1
  const std::vector<float> values = decode(Format::kQ8_0, bytes, 32);
  EXPECT_EQ(values[0], 63.5f);
  EXPECT_EQ(values[1], -63.5f);
  EXPECT_EQ(values[2], 0.0f);
  EXPECT_EQ(values[31], -0.5f);
}

TEST(BlockDecode, Q4_0LowNibblesAreTheFirstHalf) {
  std::array<uint8_t, 18> bytes = {0x00, 0xC0};  // f16 -2
  std::fill(bytes.begin() + 2, bytes.end(), 0x88);
  bytes[2] = 0xF0;   // value 0: nibble 0, value 16: nibble 15
  bytes[17] = 0x9A;  // value 15: nibble 10, value 31: nibble 9
  const std::vector<float> values = decode(Format::kQ4_0, bytes, 32);
  EXPECT_EQ(values[0], 16.0f);
  EXPECT_EQ(values[16], -14.0f);
  EXPECT_EQ(values[15], -4.0f);
  EXPECT_EQ(values[31], -2.0f);
  EXPECT_EQ(values[1], 0.0f);
}

TEST(BlockDecode, Q4_KScalesMinsAndNibbles) {
  std::array<uint8_t, 144> bytes = {};
  bytes[1] = 0x3C;  // d = f16 1
  bytes[3] = 0x38;  // dmin = f16 0.5
  // 12 bytes of 6 bits. Sub-block 0: scale 63, min 1. Sub-block 4: scale 0b110101, min 0b101110.
  bytes[4] = 0b11'111111;      // low: scale 0; top two bits: of scale 4
  bytes[8] = 0b10'000001;      // low: min 0; top two bits: of min 4
  bytes[12] = 0b1110'0101;     // low bits of scale 4, of min 4
  bytes[16] = 0x5A;            // value 0: 10, value 32: 5
  bytes[16 + 64] = 0x03;       // value 128 (sub-block 4): 3
  bytes[16 + 64 + 31] = 0x0F;  // value 159: 15
  const std::vector<float> values = decode(Format::kQ4_K, bytes, 256);
  EXPECT_EQ(values[0], 63.0f * 10 - 0.5f * 1);
  EXPECT_EQ(values[1], -0.5f);
  EXPECT_EQ(values[32], 0.0f);  // sub-block 1 has scale 0 and min 0
  EXPECT_EQ(values[128], 53.0f * 3 - 0.5f * 46);
  EXPECT_EQ(values[159], 53.0f * 15 - 0.5f * 46);
  EXPECT_EQ(values[160], 0.0f);
}

TEST(BlockDecode, ScaleMinFieldsAreIndependent) {
  for (int j = 0; j < 8; ++j) {
    for (int value = 0; value < 64; ++value) {
      uint8_t scales[12] = {};
      for (int i = 0; i < 8; ++i) {
        const auto other = static_cast<uint8_t>((7 * i + value) % 64);
        set_scale_min(scales, i, {i == j ? static_cast<uint8_t>(value) : other, other});
      }
      for (int i = 0; i < 8; ++i) {
        const int other = (7 * i + value) % 64;
        ASSERT_EQ(get_scale_min(scales, i).scale, i == j ? value : other) << i << " " << j;
        ASSERT_EQ(get_scale_min(scales, i).min, other) << i << " " << j;
      }
    }
  }
}

TEST(Float16, EveryF16ComesBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    if ((half & 0x7C00) == 0x7C00 && (half & 0x3FF) != 0) continue;  // NaN keeps no payload
    ASSERT_EQ(f32_to_f16(f16_to_f32(half)), half) << std::hex << bits;
  }
}

TEST(Float16, RoundsToNearestEven) {
  EXPECT_EQ(f32_to_f16(1.0f + 0x1p-11f), 0x3C00);      // tie to even: down
  EXPECT_EQ(f32_to_f16(1.0f + 3 * 0x1p-11f), 0x3C02);  // tie to even: up
  EXPECT_EQ(f32_to_f16(1.0f + 0x1p-11f + 0x1p-20f), 0x3C01);
  EXPECT_EQ(f32_to_f16(0x1p-25f), 0x0000);  // half of the least subnormal
  EXPECT_EQ(f32_to_f16(0x1.8p-25f), 0x0001);
  EXPECT_EQ(f32_to_f16(65519.0f), 0x7BFF);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7C00);
  EXPECT_EQ(f32_to_bf16(1.0f + 0x1p-8f), 0x3F80);
  EXPECT_EQ(f32_to_bf16(1.0f + 3 * 0x1p-8f), 0x3F82);
}

}  // namespace
}  // namespace octavo::test
