#include "support/attend_problem.h"

#include <bit>
#include <string_view>

#include "support/compare.h"
#include "support/reference_ops.h"

namespace octavo::test {

bool uses_pairs(const Kernels& table) {
  const std::string_view name = table.name;
  return name == "avx512-vnni" || name == "avx2-vnni";
}

namespace {

ProductError product_error(const Kernels& table, const AttendCase& c) {
  if (c.format == CacheFormat::kF32) return {};
  if (std::string_view(table.name).starts_with("amx")) return split_product_error(c.format);
  const bool many = c.tokens * c.group > kFewRows;
  return many && uses_pairs(table) ? pair_product_error(c.head_dim) : ProductError{};
}

}  // namespace

void check_attend_tile(const Kernels& table, const AttendCase& c, Random& random) {
  const AttendProblem problem(c, random);
  const auto result = [&](const Kernels& kernels) {
    return to_matrix(problem.run(kernels, 0, c.tokens, 0), c.tokens, c.group * c.head_dim);
  };
  const Matrix actual = result(table);
  const Matrix q = problem.queries(), keys = problem.keys(), values = problem.values();
  Matrix bound = attention_bound(q, keys, values, product_error(table, c));
  const bool quantized = c.format == CacheFormat::kQ8_0 && c.tokens * c.group <= kFewRows &&
                         &table != &scalar_kernels();
  if (quantized) bound += quantized_attention_bound(q, keys, values);
  const ReferenceAttention shape{c.group, 1, c.head_dim, c.window};
  EXPECT_TRUE(within(actual, reference_attention(q, keys, values, shape, c.past), bound))
      << describe(c);
  const Matrix twin_bound = bound + attention_bound(q, keys, values);
  EXPECT_TRUE(within(actual, result(scalar_kernels()), twin_bound)) << describe(c);
}

void check_attend_tile_alone(const Kernels& table, const AttendCase& c, int64_t start,
                             Random& random, int64_t least) {
  const AttendProblem problem(c, random);
  const std::vector<float> together = problem.run(table, 0, c.tokens, start);
  std::vector<float> apart;
  for (int64_t first = 0, i = 0, count = 0; first < c.tokens; first += count, ++i) {
    count = least + i % 5;
    if (c.tokens - first - count < least) count = c.tokens - first;
    const std::vector<float> rows = problem.run(table, first, count, start);
    apart.insert(apart.end(), rows.begin(), rows.end());
  }
  expect_same_bits(apart, together, c);
}

void expect_same_bits(const std::vector<float>& actual, const std::vector<float>& expected,
                      const AttendCase& c) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(actual[i]), std::bit_cast<uint32_t>(expected[i]))
        << describe(c) << ", value " << i;
  }
}

}  // namespace octavo::test
