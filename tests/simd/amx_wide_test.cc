// matmul_wide with AMX tiles, also on machines that have none.
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "simd/scalar_wide.h"
#include "support/amx_tables.h"

namespace octavo::test {
namespace {

using AmxWide = AmxTest;
OCTAVO_FOR_AMX_TABLES(AmxWide);

// Activations as matmul_wide takes them. Rows of the last block that do not exist are left as they
// were: anything.
class WideInput {
 public:
  WideInput(const ProductShape& shape, Random& random) : shape_(shape) {
    const int64_t groups = wide_groups(shape.cols), blocks = wide_blocks(shape.rows);
    const auto count = static_cast<size_t>(groups * blocks * kWideRows);
    lines_.resize(count * kWideCols / 64, Lines{});
    scale_.resize(count, std::numeric_limits<float>::quiet_NaN());
    sum_.resize(count, 1 << 30);
    rows_ = {reinterpret_cast<int8_t*>(lines_.data()), scale_.data(), sum_.data(), blocks};
    for (int64_t r = 0; r < shape.rows; ++r) {
      const std::vector<float> x = random.normals(shape.cols);
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t first = g * kWideCols;
        const int64_t here = std::min<int64_t>(kWideCols, shape.cols - first);
        scalar_quantize_wide(x.data() + first, here, g, r, rows_);
      }
    }
  }
  const WideRows& rows() const { return rows_; }
  // What the rows stand for, [rows, cols rounded up to groups].
  Matrix values() const {
    Matrix values(shape_.rows, wide_groups(shape_.cols) * kWideCols);
    for (int64_t r = 0; r < shape_.rows; ++r) {
      for (int64_t k = 0; k < values.cols(); ++k) {
        const int64_t g = k / kWideCols, b = r / kWideRows, i = r % kWideRows;
        values(r, k) = static_cast<double>(scale_[static_cast<size_t>(rows_.row_at(g, b) + i)]) *
                       rows_.block(g, b)[wide_at(i, k % kWideCols)];
      }
    }
    return values;
  }

 private:
  struct alignas(64) Lines {
    Lines() { std::fill(std::begin(bytes), std::end(bytes), int8_t{-77}); }
    int8_t bytes[64];
  };
  ProductShape shape_;
  std::vector<Lines> lines_;
  std::vector<float> scale_;
  std::vector<int32_t> sum_;
  WideRows rows_;
};

// The weights that the wide kernels multiply.
Matrix wide_values(const PackedMatrix& w) {
  Matrix values(w.rows(), wide_groups(w.cols()) * kWideCols);
  std::vector<int8_t> q(kWideCols);
  for (int64_t n = 0; n < w.rows(); ++n) {
    for (int64_t g = 0; g < wide_groups(w.cols()); ++g) {
      const double scale = scalar_wide_weights(w.format(), w.data(), w.cols(), n, g, q);
      for (int64_t k = 0; k < kWideCols; ++k) {
        values(n, g * kWideCols + k) = scale * q[static_cast<size_t>(k)];
      }
    }
  }
  return values;
}

void check(const Kernels& table, const ProductShape& shape, const PackedMatrix& w, Random& random) {
  const WideInput x(shape, random);
  const int64_t panels = packed_panels(shape.out_rows);
  const GuardedOutput out = guarded_product(table.matmul_wide, w, x.rows(), shape, 0, panels);
  const Matrix values = x.values(), weights = wide_values(w);
  const Matrix magnitudes = values.cwiseAbs() * weights.cwiseAbs().transpose();
  const Matrix bound = (magnitudes * sum_error(wide_groups(shape.cols))).array() + 1e-36;
  EXPECT_TRUE(within(out.values(), values * weights.transpose(), bound)) << describe(shape);
  const auto twin = guarded_product(scalar_matmul_wide, w, x.rows(), shape, 0, panels);
  EXPECT_TRUE(within(out.values(), twin.values(), 2 * bound)) << describe(shape);
  const Kernels* vnni = find_kernels("avx512-vnni");
  ASSERT_NE(vnni, nullptr);
  out.expect_same_bits(guarded_product(vnni->matmul_wide, w, x.rows(), shape, 0, panels), 0,
                       panels);
}

std::vector<int64_t> widths(Format format) {
  if (is_super(format)) return {256, 512, 1024};
  return {1, 31, 33, 64, 80, 128, 172, 255, 256, 257, 320, 600, 1024};
}

TEST_P(AmxWide, EqualsTheSumsForAllShapes) {
  Random random(3);
  for (const Format format : wide_formats()) {
    for (const int64_t cols : widths(format)) {
      for (const int64_t out_rows : {1, 16, 17, 31, 33, 48, 90}) {
        const PackedMatrix w = random_blocks(format, out_rows, cols, random);
        check(table(), {format, out_rows, cols, 1 + random.below(70)}, w, random);
      }
    }
  }
}

TEST_P(AmxWide, EqualsTheSumsForAllRowCounts) {
  Random random(4);
  for (const Format format : wide_formats()) {
    const PackedMatrix w = random_blocks(format, 49, 512, random);
    for (int64_t rows = 1; rows <= 70; ++rows) check(table(), {format, 49, 512, rows}, w, random);
    for (const int64_t rows : {127, 128, 129, 144, 145, 161, 300}) {
      check(table(), {format, 49, 512, rows}, w, random);
    }
  }
}

TEST_P(AmxWide, GivesTheSameBitsHoweverPanelsAreSplit) {
  Random random(5);
  const ProductShape shape{Format::kQ4_0, 90, 300, 37};
  const PackedMatrix w = random_blocks(shape.format, shape.out_rows, shape.cols, random);
  const WideInput x(shape, random);
  const auto whole = guarded_product(table().matmul_wide, w, x.rows(), shape, 0, 6);
  for (int64_t begin = 0; begin <= 6; ++begin) {
    for (int64_t end = begin; end <= 6; ++end) {
      const auto part = guarded_product(table().matmul_wide, w, x.rows(), shape, begin, end);
      part.expect_same_bits(whole, begin, end);
    }
  }
}

TEST_P(AmxWide, HasItsSpinningLoops) {
  const MachineWork int8 = table().spin_amx_int8(10), bf16 = table().spin_amx_bf16(10);
  EXPECT_EQ(int8.operations, 10 * 6 * 2.0 * 16 * 16 * 64);
  EXPECT_EQ(int8.check, 10 * 6 * 64);
  EXPECT_EQ(bf16.operations, 10 * 6 * 2.0 * 16 * 16 * 32);
  EXPECT_EQ(bf16.check, 10 * 6 * 32);
}

TEST(AmxTable, IsFirstWhereTheMachineHasIt) {
  const Kernels* amx = find_kernels("amx");
  if (amx == nullptr) GTEST_SKIP() << "this machine has no AMX";
  EXPECT_EQ(amx, all_kernels().front());
  EXPECT_STREQ(find_kernels("avx512")->name, "avx512-vnni");
}

}  // namespace
}  // namespace octavo::test
