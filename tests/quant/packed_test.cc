// The packed order: an arrangement of the same numbers, and the very one that docs/format.md draws.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "quant/float16.h"
#include "quant/packed.h"
#include "quant/rows.h"
#include "support/random.h"

namespace octavo::test {
namespace {

struct Panel {
  int rows;
  int64_t cols;
  int64_t stride;
  std::vector<std::byte> row_order, packed;
};

Panel make_panel(Format format, int rows, int64_t cols) {
  Random random(7);
  Panel panel{rows, cols, row_bytes(format, cols), {}, {}};
  panel.row_order.resize(static_cast<size_t>(panel.stride * rows));
  for (int r = 0; r < rows; ++r) {
    quantize_row(format, random.normals(cols), panel.row_order.data() + r * panel.stride);
  }
  // What was there before must not show through.
  panel.packed.assign(static_cast<size_t>(packed_panel_bytes(format, cols)), std::byte{0xEE});
  pack_panel(format, panel.row_order.data(), panel.stride, rows, cols, panel.packed.data());
  return panel;
}

class Packed : public ::testing::TestWithParam<Format> {
 protected:
  std::vector<int64_t> widths() const {
    if (is_super(GetParam())) return {256, 512, 1024};
    return {1, 16, 31, 32, 33, 64, 96, 172, 256, 320};
  }
};
INSTANTIATE_TEST_SUITE_P(Formats, Packed, ::testing::ValuesIn(all_formats()),
                         [](const auto& row) { return std::string(format_name(row.param)); });

TEST_P(Packed, UnpackIsTheExactInverse) {
  for (const int64_t cols : widths()) {
    for (const int rows : {1, 5, 15, 16}) {
      const Panel panel = make_panel(GetParam(), rows, cols);
      std::vector<std::byte> back(panel.row_order.size(), std::byte{0x55});
      unpack_panel(GetParam(), panel.packed.data(), rows, cols, back.data(), panel.stride);
      ASSERT_EQ(back, panel.row_order) << rows << " x " << cols;
    }
  }
}

TEST_P(Packed, RowsReadTheSameEitherWay) {
  for (const int64_t cols : widths()) {
    const Panel panel = make_panel(GetParam(), 16, cols);
    for (int r = 0; r < 16; ++r) {
      std::vector<float> plain(static_cast<size_t>(cols)), packed(plain);
      dequantize_row(GetParam(), panel.row_order.data() + r * panel.stride, plain);
      dequantize_packed_row(GetParam(), panel.packed.data(), r, packed);
      ASSERT_EQ(packed, plain) << r << " of " << cols;
    }
  }
}

TEST_P(Packed, SecondPanelFollowsTheFirst) {
  const int64_t cols = 256;
  const Panel panel = make_panel(GetParam(), 16, cols);
  std::vector<std::byte> matrix(panel.packed.size(), std::byte{0});
  matrix.insert(matrix.end(), panel.packed.begin(), panel.packed.end());
  std::vector<float> plain(static_cast<size_t>(cols)), packed(plain);
  dequantize_row(GetParam(), panel.row_order.data() + 3 * panel.stride, plain);
  dequantize_packed_row(GetParam(), matrix.data(), 16 + 3, packed);
  EXPECT_EQ(packed, plain);
}

TEST_P(Packed, MissingRowsAreZeroBytes) {
  const Panel one = make_panel(GetParam(), 1, 256), all = make_panel(GetParam(), 16, 256);
  int64_t zeros_in_one = 0, zeros_in_all = 0;
  for (const std::byte b : one.packed) zeros_in_one += b == std::byte{0};
  for (const std::byte b : all.packed) zeros_in_all += b == std::byte{0};
  const auto size = static_cast<int64_t>(one.packed.size());
  EXPECT_GE(zeros_in_one, size - size / 16);  // at least the 15 other rows
  EXPECT_LT(zeros_in_all, size / 2);
}

// Indices as docs/format.md gives them, spelled out without the code's own functions.
TEST(PackedLayout, Q4_0AsDocumented) {
  const Panel panel = make_panel(Format::kQ4_0, 16, 64);
  for (int r = 0; r < 16; ++r) {
    for (int k = 0; k < 64; ++k) {
      const auto byte = std::to_integer<int>(
          panel.packed[static_cast<size_t>(64 + (k % 32 / 4 * 16 + r) * 4 + k % 4)]);
      const int packed = k < 32 ? byte & 15 : byte >> 4;
      const auto source = std::to_integer<int>(
          panel.row_order[static_cast<size_t>(r * panel.stride + k / 32 * 18 + 2 + k % 16)]);
      ASSERT_EQ(packed, k % 32 < 16 ? source & 15 : source >> 4) << r << ", " << k;
    }
    for (int b = 0; b < 2; ++b) {
      ASSERT_EQ(0, std::memcmp(panel.packed.data() + b * 32 + r * 2,
                               panel.row_order.data() + r * panel.stride + b * 18, 2));
    }
  }
}

int byte_at(const std::vector<std::byte>& bytes, int64_t at) {
  return std::to_integer<int>(bytes[static_cast<size_t>(at)]);
}

TEST(PackedLayout, Q8_0AsDocumented) {
  const Panel panel = make_panel(Format::kQ8_0, 16, 64);
  for (int r = 0; r < 16; ++r) {
    for (int k = 0; k < 64; ++k) {
      const int64_t source = r * panel.stride + k / 32 * 34;
      ASSERT_EQ(byte_at(panel.packed, 64 + (k / 4 * 16 + r) * 4 + k % 4),
                (byte_at(panel.row_order, source + 2 + k % 32) + 128) % 256)
          << r << ", " << k;
      ASSERT_EQ(byte_at(panel.packed, (k / 32 * 16 + r) * 2), byte_at(panel.row_order, source));
    }
  }
}

float f16_in(const std::vector<std::byte>& tile, int at) {
  return f16_to_f32(static_cast<uint16_t>(byte_at(tile, at) | byte_at(tile, at + 1) << 8));
}

// q4_k, q5_k: the value of a quant, from the packed bytes alone.
float super_value(const std::vector<std::byte>& tile, int r, int k, int q) {
  const int j = k / 32, shift = j < 4 ? 0 : 2;
  const int low = byte_at(tile, 64 + j * 16 + r), high = byte_at(tile, 192 + j % 4 * 16 + r);
  const int scale = (low & 15) | (high >> shift & 3) << 4;
  const int min = low >> 4 | (high >> (shift + 4) & 3) << 4;
  return f16_in(tile, 2 * r) * static_cast<float>(scale) * static_cast<float>(q) -
         f16_in(tile, 32 + 2 * r) * static_cast<float>(min);
}

// Nibble of column k in the 8 lines that start at `at`.
int nibble_in(const std::vector<std::byte>& tile, int at, int r, int k) {
  const int byte = byte_at(tile, at + (k % 32 / 4 * 16 + r) * 4 + k % 4);
  return k / 32 % 2 == 0 ? byte & 15 : byte >> 4;
}

float q4_k_value(const std::vector<std::byte>& tile, int r, int k) {
  return super_value(tile, r, k, nibble_in(tile, 256 + k / 64 * 512, r, k));
}

float q5_k_value(const std::vector<std::byte>& tile, int r, int k) {
  const int chunk = 256 + k / 64 * 640;
  const int line = byte_at(tile, chunk + k % 64 / 32 * 64 + 4 * r + k % 4);
  const int high = line >> (k % 32 / 4) & 1;
  return super_value(tile, r, k, nibble_in(tile, chunk + 128, r, k) | high << 4);
}

float q6_k_value(const std::vector<std::byte>& tile, int r, int k) {
  const int chunk = 320 + k / 64 * 768;
  const int line = byte_at(tile, chunk + k % 64 / 16 * 64 + 4 * r + k % 4);
  const int high = line >> (k % 16 / 4 * 2) & 3;
  const int q = (nibble_in(tile, chunk + 256, r, k) | high << 4) - 32;
  const auto scale = static_cast<int8_t>(byte_at(tile, 64 + k / 16 * 16 + r));
  return f16_in(tile, 2 * r) * static_cast<float>(scale) * static_cast<float>(q);
}

void expect_documented(Format format, float (*value)(const std::vector<std::byte>&, int, int)) {
  const Panel panel = make_panel(format, 16, 256);
  for (int r = 0; r < 16; ++r) {
    std::vector<float> values(256);
    dequantize_row(format, panel.row_order.data() + r * panel.stride, values);
    for (int k = 0; k < 256; ++k) {
      ASSERT_EQ(value(panel.packed, r, k), values[static_cast<size_t>(k)]) << r << ", " << k;
    }
  }
}

TEST(PackedLayout, Q4_KAsDocumented) { expect_documented(Format::kQ4_K, q4_k_value); }
TEST(PackedLayout, Q5_KAsDocumented) { expect_documented(Format::kQ5_K, q5_k_value); }
TEST(PackedLayout, Q6_KAsDocumented) {
  expect_documented(Format::kQ6_K, q6_k_value);
  const Panel panel = make_panel(Format::kQ6_K, 16, 256);
  for (int64_t at = 32; at < 64; ++at) EXPECT_EQ(byte_at(panel.packed, at), 0) << at;
}

TEST(PackedLayout, TilesAreWholeLines) {
  for (const Format format : all_formats()) EXPECT_EQ(traits(format).tile_bytes % 64, 0);
}

TEST(PackedLayout, FloatsAsDocumented) {
  const Panel f32 = make_panel(Format::kF32, 16, 16), f16 = make_panel(Format::kF16, 16, 32);
  for (int r = 0; r < 16; ++r) {
    for (int k = 0; k < 16; ++k) {
      ASSERT_EQ(0, std::memcmp(f32.packed.data() + (k * 16 + r) * 4,
                               f32.row_order.data() + r * f32.stride + 4 * k, 4));
    }
    for (int k = 0; k < 32; ++k) {
      ASSERT_EQ(0, std::memcmp(f16.packed.data() + (k * 16 + r) * 2,
                               f16.row_order.data() + r * f16.stride + 2 * k, 2));
    }
  }
}

TEST(PackedLayout, Bf16PairsOfColumns) {
  const Panel panel = make_panel(Format::kBF16, 16, 32);
  for (int r = 0; r < 16; ++r) {
    for (int k = 0; k < 32; ++k) {
      ASSERT_EQ(0, std::memcmp(panel.packed.data() + k / 2 * 64 + r * 4 + k % 2 * 2,
                               panel.row_order.data() + r * panel.stride + 2 * k, 2))
          << r << ", " << k;
    }
  }
}

}  // namespace
}  // namespace octavo::test
