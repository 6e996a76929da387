// Blocks written out by hand, byte for byte as GGUF defines them, decode to the values it gives.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "quant/block.h"
#include "quant/float16.h"
#include "quant/rows.h"
#include "support/files.h"

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

TEST(BlockDecode, Q5_KFifthBitsAreByColumn) {
  std::array<uint8_t, 176> bytes = {};
  bytes[1] = 0x3C;               // d = f16 1
  bytes[3] = 0x38;               // dmin = f16 0.5
  bytes[4] = 2;                  // sub-block 0: scale 2
  bytes[5] = 3;                  // sub-block 1: scale 3
  bytes[8] = 7;                  // sub-block 0: min 7
  bytes[15] = 0x01;              // sub-block 7: low bits of its scale: 1
  bytes[16] = 0b0000'0011;       // fifth bits of values 0 and 32
  bytes[16 + 31] = 0b1000'0001;  // of values 31 and 255
  bytes[48] = 0x5A;              // value 0: 10 + 16, value 32: 5 + 16
  bytes[48 + 96 + 31] = 0xE0;    // value 255: 14 + 16
  const std::vector<float> values = decode(Format::kQ5_K, bytes, 256);
  EXPECT_EQ(values[0], 2.0f * 26 - 0.5f * 7);
  EXPECT_EQ(values[1], -3.5f);
  EXPECT_EQ(values[31], 2.0f * 16 - 3.5f);
  EXPECT_EQ(values[32], 3.0f * 21);
  EXPECT_EQ(values[33], 0.0f);
  EXPECT_EQ(values[255], 1.0f * 30);
}

TEST(BlockDecode, Q6_KLowAndHighBits) {
  std::array<uint8_t, 210> bytes = {};
  bytes[0] = 0x21;                       // low bits of values 0: 1, and 64: 2
  bytes[32] = 0x43;                      // of values 32: 3, and 96: 4
  bytes[64 + 63] = 0xF5;                 // of values 191: 5, and 255: 15
  bytes[128] = 0b11'10'01'00;            // high bits of values 96, 64, 32, 0
  bytes[128 + 32 + 31] = 0b11'00'01'00;  // of values 255, 223, 191, 159
  bytes[192] = 2;                        // scale of values 0..15
  bytes[192 + 1] = 0x80;                 // of 16..31: -128
  bytes[192 + 2] = 0xFF;                 // of 32..47: -1
  bytes[192 + 4] = 3;                    // of 64..79
  bytes[192 + 6] = 127;                  // of 96..111
  bytes[192 + 11] = 5;                   // of 176..191
  bytes[192 + 15] = 1;                   // of 240..255
  bytes[209] = 0x38;                     // d = f16 0.5
  const std::vector<float> values = decode(Format::kQ6_K, bytes, 256);
  EXPECT_EQ(values[0], 0.5f * 2 * (1 - 32));
  EXPECT_EQ(values[15], 0.5f * 2 * -32);
  EXPECT_EQ(values[16], 0.5f * -128 * -32);
  EXPECT_EQ(values[32], 0.5f * -1 * (3 + 16 - 32));
  EXPECT_EQ(values[64], 0.5f * 3 * (2 + 32 - 32));
  EXPECT_EQ(values[96], 0.5f * 127 * (4 + 48 - 32));
  EXPECT_EQ(values[191], 0.5f * 5 * (5 + 16 - 32));
  EXPECT_EQ(values[255], 0.5f * (15 + 48 - 32));
  EXPECT_EQ(values[128], 0.0f);  // its scale is 0
}

template <class Block>
void expect_independent_quants(int top) {
  for (int k = 0; k < 256; ++k) {
    Block block = {};
    for (int i = 0; i < 256; ++i) set_quant(block, i, i == k ? top : (5 * i + k) % (top + 1));
    for (int i = 0; i < 256; ++i) {
      ASSERT_EQ(get_quant(block, i), i == k ? top : (5 * i + k) % (top + 1)) << i << " " << k;
    }
  }
}

TEST(BlockDecode, QuantsAreIndependent) {
  expect_independent_quants<BlockQ4_K>(15);
  expect_independent_quants<BlockQ5_K>(31);
  expect_independent_quants<BlockQ6_K>(63);
}

uint64_t fnv1a(const void* data, size_t bytes) {
  uint64_t hash = 0xCBF29CE484222325;
  for (size_t i = 0; i < bytes; ++i) {
    hash = (hash ^ static_cast<const uint8_t*>(data)[i]) * 0x100000001B3;
  }
  return hash;
}

// A tensor in a file that llama.cpp wrote, and the FNV-1a hash of the float32 values that its own
// dequantizer (c392e50) gives for it.
struct KnownTensor {
  Format format;
  size_t offset;
  int64_t count;
  float first;
  uint64_t hash;
};

TEST(BlockDecode, AsTheFieldReadsItsOwnFile) {
  const std::filesystem::path path =
      shared_data("models/pocket-mixtral-gguf") / "pocket-mixtral-Q4_K_M.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const std::string gguf = read_file(path);
  for (const KnownTensor& known :
       {KnownTensor{Format::kQ6_K, 92512, 4096 * 256, -0x1.aac4p-3f, 0x9844c105a6ecf77d},
        KnownTensor{Format::kQ4_K, 953696, 4096 * 256, 0x1.f1e4p-7f, 0x9988694a10d3da94},
        KnownTensor{Format::kQ5_K, 1561952, 256 * 256, -0x1.77b0p-8f, 0x74dd03e1f57dc166}}) {
    ASSERT_LE(known.offset + static_cast<size_t>(row_bytes(known.format, known.count)),
              gguf.size());
    std::vector<float> values(static_cast<size_t>(known.count));
    dequantize_row(known.format, reinterpret_cast<const std::byte*>(gguf.data()) + known.offset,
                   values);
    EXPECT_EQ(values[0], known.first) << format_name(known.format);
    EXPECT_EQ(fnv1a(values.data(), values.size() * 4), known.hash) << format_name(known.format);
  }
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
