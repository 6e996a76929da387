// The emulated tiles against the instructions' description, written out once more.
#include "simd/tiles.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/random.h"

namespace octavo::test {
namespace {

// Tiles as the test sees them.
template <class T>
struct Lines {
  static constexpr int kCount = kTileBytes / sizeof(T);
  alignas(64) T value[kCount] = {};
};

TEST(EmulatedTiles, LoadAndStoreRowsOfAnyStride) {
  std::vector<uint8_t> from(16 * 100), to(16 * 72, 0xEE);
  for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint8_t>(i * 7);
  EmulatedTiles tiles;
  tiles.load<3>(from.data(), 100);
  tiles.store<3>(to.data(), 72);
  for (size_t m = 0; m < 16; ++m) {
    for (size_t i = 0; i < 72; ++i) {
      EXPECT_EQ(to[m * 72 + i], i < 64 ? from[m * 100 + i] : 0xEE) << m << ", " << i;
    }
  }
  tiles.zero<3>();
  tiles.store<3>(to.data(), 72);
  EXPECT_EQ(to[0], 0);
  EXPECT_EQ(to[15 * 72 + 63], 0);
  EXPECT_EQ(to[64], 0xEE);
}

TEST(EmulatedTiles, MultiplyBytes) {
  Random random(1);
  Lines<int8_t> a, b;
  for (int8_t& value : a.value) value = static_cast<int8_t>(random.below(256) - 128);
  for (int8_t& value : b.value) value = static_cast<int8_t>(random.below(256) - 128);
  for (int i = 0; i < 64; ++i) a.value[i] = b.value[i] = -128;
  Lines<int32_t> sum;
  for (int32_t& value : sum.value) value = static_cast<int32_t>(random.below(1000));
  Lines<int32_t> expected = sum;
  for (int m = 0; m < 16; ++m) {
    for (int n = 0; n < 16; ++n) {
      for (int k = 0; k < 64; ++k) {
        expected.value[16 * m + n] += a.value[64 * m + k] * b.value[64 * (k / 4) + 4 * n + k % 4];
      }
    }
  }
  EmulatedTiles tiles;
  tiles.load<0>(sum.value, 64);
  tiles.load<4>(a.value, 64);
  tiles.load<6>(b.value, 64);
  tiles.dot_int8<0, 4, 6>();
  tiles.store<0>(sum.value, 64);
  for (int i = 0; i < 256; ++i) EXPECT_EQ(sum.value[i], expected.value[i]) << i;
}

TEST(EmulatedTiles, MultiplyBf16Pairs) {
  Random random(2);
  Lines<uint16_t> a, b;
  for (uint16_t& value : a.value) value = f32_to_bf16(random.normal());
  for (uint16_t& value : b.value) value = f32_to_bf16(random.normal());
  Lines<float> sum;
  for (float& value : sum.value) value = random.normal();
  EmulatedTiles tiles;
  tiles.load<1>(sum.value, 64);
  tiles.load<5>(a.value, 64);
  tiles.load<7>(b.value, 64);
  tiles.dot_bf16<1, 5, 7>();
  Lines<float> result;
  tiles.store<1>(result.value, 64);
  for (int m = 0; m < 16; ++m) {
    for (int n = 0; n < 16; ++n) {
      double expected = sum.value[16 * m + n], magnitude = std::abs(expected);
      for (int k = 0; k < 32; ++k) {
        const double product =
            static_cast<double>(bf16_to_f32(a.value[32 * m + k])) *
            static_cast<double>(bf16_to_f32(b.value[32 * (k / 2) + 2 * n + k % 2]));
        expected += product;
        magnitude += std::abs(product);
      }
      EXPECT_NEAR(result.value[16 * m + n], expected, magnitude * 18 * 0x1p-24);
    }
  }
}

TEST(EmulatedTiles, TakeSubnormalsForZeros) {
  Lines<uint16_t> a, b;
  a.value[0] = 0x0040;                  // subnormal
  b.value[0] = f32_to_bf16(0x1p100f);   // would make it large
  a.value[32] = f32_to_bf16(0x1p-70f);  // row 1: a product that is subnormal
  a.value[33] = f32_to_bf16(0x1p-60f);
  b.value[1] = f32_to_bf16(0x1p-60f);
  EmulatedTiles tiles;
  tiles.load<4>(a.value, 64);
  tiles.load<6>(b.value, 64);
  tiles.dot_bf16<0, 4, 6>();
  Lines<float> sum;
  tiles.store<0>(sum.value, 64);
  EXPECT_EQ(sum.value[0], 0.0f);
  EXPECT_EQ(sum.value[16], 0x1p30f + 0x1p-120f);
  a.value[33] = f32_to_bf16(0x1p-70f);
  a.value[32] = 0;
  tiles.load<4>(a.value, 64);
  tiles.zero<0>();
  tiles.dot_bf16<0, 4, 6>();
  tiles.store<0>(sum.value, 64);
  EXPECT_EQ(sum.value[16], 0.0f);
}

}  // namespace
}  // namespace octavo::test
