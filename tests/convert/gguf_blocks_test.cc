// The values of GGUF's blocks, against what llama.cpp makes of the same blocks.
#include "convert/gguf_blocks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "quant/rows.h"
#include "support/files.h"
#include "support/random.h"

namespace octavo::test {
namespace {

std::vector<SourceType> quantized_types(bool only_copied) {
  std::vector<SourceType> types;
  for (const std::string_view name : source_type_names()) {
    const SourceType type = *parse_source_type(name);
    if (traits(type).block_cols == 1 || (only_copied && !traits(type).same_blocks)) continue;
    types.push_back(type);
  }
  return types;
}

class GgufBlocks : public ::testing::TestWithParam<SourceType> {
 protected:
  const SourceTypeTraits& type() const { return traits(GetParam()); }
};
class CopiedBlocks : public GgufBlocks {};

std::string name_of(const ::testing::TestParamInfo<SourceType>& row) {
  return std::string(traits(row.param).name);
}
INSTANTIATE_TEST_SUITE_P(Types, GgufBlocks, ::testing::ValuesIn(quantized_types(false)), name_of);
INSTANTIATE_TEST_SUITE_P(Types, CopiedBlocks, ::testing::ValuesIn(quantized_types(true)), name_of);

// Blocks of random bits, then their values as f32.
TEST_P(GgufBlocks, ValuesAreThoseOfLlamaCpp) {
  const std::string file =
      read_file(test_data("gguf-blocks") / (std::string(type().name) + ".bin"));
  const size_t each = static_cast<size_t>(type().block_bytes) + 4u * size_t(type().block_cols);
  const size_t count = file.size() / each;
  ASSERT_GE(count, 3u);
  ASSERT_EQ(file.size(), count * each);
  std::vector<float> values(count * static_cast<size_t>(type().block_cols));
  dequantize_blocks(GetParam(), reinterpret_cast<const std::byte*>(file.data()), values);
  const char* expected = file.data() + count * static_cast<size_t>(type().block_bytes);
  EXPECT_EQ(std::memcmp(values.data(), expected, 4 * values.size()), 0);
}

std::vector<std::byte> random_blocks_of(const SourceTypeTraits& type, int64_t count,
                                        Random& random) {
  std::vector<std::byte> blocks(static_cast<size_t>(count * type.block_bytes));
  for (std::byte& byte : blocks) byte = static_cast<std::byte>(random.below(256));
  return blocks;
}

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return std::isfinite(value); });
}

// One scale in 32 of random bits is no number, so both cases come up often.
TEST_P(GgufBlocks, ScalesAreFiniteWhereValuesAre) {
  Random random(5);
  int finite = 0;
  std::vector<float> values(static_cast<size_t>(type().block_cols));
  for (int i = 0; i < 2000; ++i) {
    const std::vector<std::byte> block = random_blocks_of(type(), 1, random);
    dequantize_blocks(GetParam(), block.data(), values);
    ASSERT_EQ(has_finite_scales(GetParam(), block.data(), 1), all_finite(values));
    finite += all_finite(values) ? 1 : 0;
  }
  EXPECT_GT(finite, 1500);
  EXPECT_LT(finite, 2000);
}

TEST_P(CopiedBlocks, HaveTheSameValues) {
  Random random(6);
  const Format format = *type().same_blocks;
  ASSERT_EQ(traits(format).block_cols, type().block_cols);
  const int64_t count = 64;
  const std::vector<std::byte> blocks = random_blocks_of(type(), count, random);
  std::vector<std::byte> copy(static_cast<size_t>(count * traits(format).block_bytes));
  copy_blocks(GetParam(), blocks.data(), count, copy.data());
  std::vector<float> expected(static_cast<size_t>(count * type().block_cols));
  std::vector<float> values(expected.size());
  dequantize_blocks(GetParam(), blocks.data(), expected);
  dequantize_row(format, copy.data(), values);
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(expected[i]) && std::isnan(values[i])) continue;
    ASSERT_EQ(std::memcmp(&values[i], &expected[i], 4), 0) << i;
  }
}

}  // namespace
}  // namespace octavo::test
