// Values to blocks and back: exact where the format can be, bounded where it cannot.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "quant/float16.h"
#include "quant/rows.h"
#include "support/random.h"

namespace octavo::test {
namespace {

std::string name_of(const ::testing::TestParamInfo<Format>& info) {
  return std::string(format_name(info.param));
}

std::vector<std::byte> quantize(Format format, std::span<const float> values,
                                std::span<const float> importance = {}) {
  std::vector<std::byte> bytes(
      static_cast<size_t>(row_bytes(format, static_cast<int64_t>(values.size()))));
  quantize_row(format, values, bytes.data(), importance);
  return bytes;
}

std::vector<std::byte> quantize_nearest(Format format, std::span<const float> values) {
  std::vector<std::byte> bytes(
      static_cast<size_t>(row_bytes(format, static_cast<int64_t>(values.size()))));
  quantize_row_nearest(format, values, bytes.data());
  return bytes;
}

std::vector<float> dequantize(Format format, const std::vector<std::byte>& bytes, size_t cols) {
  std::vector<float> values(cols);
  dequantize_row(format, bytes.data(), values);
  return values;
}

// Largest distance of a value from the nearest one that a block's grid offers, as a share of the
// group's largest magnitude: half a step, and what the rounding of the scales themselves adds.
double bound(Format format) {
  switch (format) {
    case Format::kF32:
      return 0;
    case Format::kF16:
      return 0x1p-11;
    case Format::kBF16:
      return 0x1p-8;
    case Format::kQ8_0:
      return 0.5 / 119 + 127 * 0x1p-11 / 119;
    case Format::kQ4_0:
      return 0.3;  // the search may clip: beyond the end of the range by at most 7 / 5.6 - 1
    case Format::kQ4_K:
      return 0.3;
    case Format::kQ5_K:
      return 0.15;
    case Format::kQ6_K:
      return 0.15;  // an end is at most 32 / 29 - 1 beyond the range
  }
  return 0;
}

class AnyFormat : public ::testing::TestWithParam<Format> {};
INSTANTIATE_TEST_SUITE_P(Formats, AnyFormat, ::testing::ValuesIn(all_formats()), name_of);

class BlockFormat : public ::testing::TestWithParam<Format> {};
INSTANTIATE_TEST_SUITE_P(Formats, BlockFormat,
                         ::testing::Values(Format::kQ8_0, Format::kQ4_0, Format::kQ4_K,
                                           Format::kQ5_K, Format::kQ6_K),
                         name_of);

TEST_P(AnyFormat, ErrorsAreBounded) {
  Random random(1);
  for (const float deviation : {1e-3f, 1.0f, 1e3f}) {
    const std::vector<float> values = random.normals(1024, deviation);
    for (const auto& bytes : {quantize(GetParam(), values), quantize_nearest(GetParam(), values)}) {
      const std::vector<float> back = dequantize(GetParam(), bytes, values.size());
      for (size_t k = 0; k < values.size(); ++k) {
        const auto group = values.begin() + static_cast<int64_t>(k / 32 * 32);
        const float largest = std::abs(*std::max_element(
            group, group + 32, [](float a, float b) { return std::abs(a) < std::abs(b); }));
        const float base = GetParam() == Format::kF16 || GetParam() == Format::kBF16
                               ? std::abs(values[k])
                               : largest;
        const double subnormal = GetParam() == Format::kF32 ? 0 : 128 * 0x1p-25;
        ASSERT_LE(std::abs(back[k] - values[k]),
                  bound(GetParam()) * static_cast<double>(base) + subnormal)
            << k << " of " << deviation;
      }
    }
  }
}

TEST_P(AnyFormat, ZerosStayZeros) {
  const std::vector<float> values(512, 0.0f);
  for (const auto& bytes : {quantize(GetParam(), values), quantize_nearest(GetParam(), values)}) {
    for (const float value : dequantize(GetParam(), bytes, values.size())) ASSERT_EQ(value, 0.0f);
  }
}

// Whatever the magnitude, the result is finite, and no worse than zeros or the largest value.
TEST_P(AnyFormat, TinyAndHugeValues) {
  Random random(2);
  for (int exponent = -140; exponent <= 120; exponent += 4) {
    std::vector<float> values = random.normals(512);
    for (float& value : values) value = std::ldexp(value, exponent);
    const std::vector<float> back =
        dequantize(GetParam(), quantize(GetParam(), values), values.size());
    for (size_t k = 0; k < values.size(); ++k) {
      ASSERT_TRUE(std::isfinite(back[k])) << k << " at 2^" << exponent;
      ASSERT_LE(std::abs(back[k] - values[k]), 8 * std::ldexp(1.0f, exponent)) << k;
    }
  }
}

TEST_P(AnyFormat, PartialLastBlock) {
  Random random(3);
  for (const size_t cols : {1u, 31u, 33u, 172u, 257u, 300u}) {
    const std::vector<float> values = random.normals(static_cast<int64_t>(cols));
    std::vector<float> padded = values;
    padded.resize((cols + 255) / 256 * 256, 0.0f);
    const std::vector<float> back = dequantize(GetParam(), quantize(GetParam(), values), cols);
    double error = 0, power = 0;
    for (size_t k = 0; k < cols; ++k) {
      error += std::pow(static_cast<double>(back[k] - values[k]), 2);
      power += std::pow(static_cast<double>(values[k]), 2);
    }
    EXPECT_LE(error, 0.02 * power) << cols << " columns";
  }
}

// A row is its blocks: none depends on its neighbours.
TEST_P(BlockFormat, BlocksAreIndependent) {
  Random random(4);
  const std::vector<float> values = random.normals(256 * 5);
  const std::vector<std::byte> whole = quantize(GetParam(), values);
  std::vector<std::byte> parts;
  for (size_t first = 0; first < values.size(); first += 256) {
    const auto part = quantize(GetParam(), std::span(values).subspan(first, 256));
    parts.insert(parts.end(), part.begin(), part.end());
  }
  EXPECT_EQ(whole, parts);
}

// Values on a grid of the format survive: the search finds the scale that made them.
TEST_P(BlockFormat, RepresentableValuesAreExact) {
  Random random(5);
  const int top = GetParam() == Format::kQ8_0   ? 127
                  : GetParam() == Format::kQ6_K ? 31
                  : GetParam() == Format::kQ5_K ? 15
                                                : 7;
  std::vector<float> values(1024);
  for (float& value : values) {
    value = 0.25f * static_cast<float>(random.below(2 * top + 1) - top);
  }
  for (size_t k = 0; k < values.size(); k += 16) {  // both ends of the range in every group
    values[k] = 0.25f * static_cast<float>(-top);
    values[k + 1] = 0.25f * static_cast<float>(top);
  }
  const std::vector<float> back =
      dequantize(GetParam(), quantize(GetParam(), values), values.size());
  if (!is_super(GetParam())) {
    EXPECT_EQ(back, values);
    return;
  }
  // Scales of scales need not hit the grid exactly.
  for (size_t k = 0; k < values.size(); ++k) ASSERT_NEAR(back[k], values[k], 0.02f) << k;
}

}  // namespace
}  // namespace octavo::test
