// The dense library over our packed panels in place, against the own kernels.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "backend/cpu/dense_matmul.h"
#include "quant/float16.h"
#include "quant/packed.h"
#include "simd/kernels.h"

namespace octavo {
namespace {

struct Product {
  int64_t out_cols, cols, rows;
};

std::vector<float> random_values(int64_t count, uint32_t seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(engine);
  return values;
}

std::vector<std::byte> random_panels(Format format, const Product& shape) {
  const int64_t element = row_bytes(format, 1), stride = shape.cols * element;
  const std::vector<float> values = random_values(shape.out_cols * shape.cols, 1);
  std::vector<std::byte> rows(static_cast<size_t>(shape.out_cols * stride));
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t narrow = f32_to_bf16(values[i]);
    std::memcpy(rows.data() + i * element,
                format == Format::kF32 ? static_cast<const void*>(&values[i]) : &narrow, element);
  }
  std::vector<std::byte> packed(
      static_cast<size_t>(packed_bytes(format, shape.out_cols, shape.cols)));
  for (int64_t panel = 0; panel < packed_panels(shape.out_cols); ++panel) {
    const int64_t first = panel * kPanelRows;
    pack_panel(format, rows.data() + first * stride, stride,
               static_cast<int>(std::min<int64_t>(kPanelRows, shape.out_cols - first)), shape.cols,
               packed.data() + panel * packed_panel_bytes(format, shape.cols));
  }
  return packed;
}

void expect_equal_products(Format format, const Product& shape) {
  const std::vector<std::byte> panels = random_panels(format, shape);
  const std::vector<float> x = random_values(shape.rows * shape.cols, 2);
  std::vector<float> y(static_cast<size_t>(shape.rows * shape.out_cols), -7.0f), expected(y);
  DenseMatmul dense(2);
  const int64_t done = dense.run(format, panels.data(), shape.out_cols, shape.cols, x.data(),
                                 shape.cols, shape.rows, y.data(), shape.out_cols);
  if (done == 0) GTEST_SKIP() << "skipped: no dense library takes " << format_name(format);
  EXPECT_EQ(done, shape.rows / 16 * 16);
  kernels().matmul_float(format, panels.data(), shape.out_cols, shape.cols, 0,
                         packed_panels(shape.out_cols), x.data(), shape.cols, done, expected.data(),
                         shape.out_cols);
  // `cols` roundings of sums that reach 5 sqrt(cols), and what two bf16 parts (16 bits) leave of x.
  const auto steps = static_cast<double>(shape.cols);
  const double split = format == Format::kF32 ? 0 : 6 * 0x1p-17 * std::sqrt(steps);
  const double tolerance = 5 * 0x1p-23 * steps + split;
  for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], expected[i], tolerance) << i;
}

TEST(DenseMatmulTest, WholePanels) {
  expect_equal_products(Format::kF32, {1024, 1024, 128});
  expect_equal_products(Format::kBF16, {1024, 1024, 128});
}

TEST(DenseMatmulTest, RaggedRowsAndColumns) {
  expect_equal_products(Format::kF32, {1027, 1100, 150});
  expect_equal_products(Format::kBF16, {1027, 1100, 150});
}

TEST(DenseMatmulTest, SmallProductsAreLeftToTheKernels) {
  float x = 1, y = 0;
  const std::byte panel{};
  DenseMatmul dense(1);
  EXPECT_EQ(dense.run(Format::kF32, &panel, 1, 1, &x, 1, 1, &y, 1), 0);
}

}  // namespace
}  // namespace octavo
