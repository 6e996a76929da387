// Matrix products of every table against double precision and the scalar twin, and bit by bit
// against themselves however rows and panels are split.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "quant/block.h"
#include "support/compare.h"
#include "support/kernel_tables.h"
#include "support/packed_matrix.h"

namespace octavo::test {
namespace {

constexpr float kGuard = -12345.5f;
constexpr int64_t kGuardCols = 24;  // more than a panel's rows

struct Shape {
  Format format;
  int64_t out_rows, cols, rows;
};

std::string describe(const Shape& shape) {
  return std::string(format_name(shape.format)) + " [" + std::to_string(shape.out_rows) + ", " +
         std::to_string(shape.cols) + "], rows " + std::to_string(shape.rows);
}

// Activations as a kernel takes them; quantized by the scalar twin, so that all tables get the same
// numbers.
class Input {
 public:
  Input(std::vector<float> x, int64_t rows, int64_t cols)
      : x_(std::move(x)),
        rows_(rows),
        cols_(cols),
        padded_(q8_padded(cols)),
        q_(static_cast<size_t>(rows * padded_)),
        scale_(q_.size() / 32),
        sum_(q_.size() / 32),
        half_sum_(q_.size() / 16) {
    for (int64_t r = 0; r < rows; ++r) {
      scalar_kernels().quantize_q8(x_.data() + r * cols, cols, r, quantized(0));
    }
  }
  const float* floats(int64_t first) const { return x_.data() + first * cols_; }
  Q8Rows quantized(int64_t first) {
    return {q_.data() + first * padded_, scale_.data() + first * padded_ / 32,
            sum_.data() + first * padded_ / 32, half_sum_.data() + first * padded_ / 16, padded_};
  }
  // What a format's kernel multiplies.
  Matrix values(Format format) const {
    if (traits(format).activation == ActivationFormat::kF32) return to_matrix(x_, rows_, cols_);
    Matrix values(rows_, cols_);
    for (int64_t r = 0; r < rows_; ++r) {
      for (int64_t k = 0; k < cols_; ++k) {
        const auto at = static_cast<size_t>(r * padded_ + k);
        values(r, k) = static_cast<double>(scale_[at / 32]) * q_[at];
      }
    }
    return values;
  }

 private:
  std::vector<float> x_;
  int64_t rows_, cols_, padded_;
  std::vector<int8_t> q_;
  std::vector<float> scale_;
  std::vector<int32_t> sum_, half_sum_;
};

// An output [rows, out_rows + kGuardCols] whose every value starts as kGuard.
struct Output {
  explicit Output(const Shape& shape)
      : stride(shape.out_rows + kGuardCols), y(static_cast<size_t>(shape.rows * stride), kGuard) {}
  int64_t stride;
  std::vector<float> y;
};

// Panels [begin, end) for rows [first, first + rows).
void multiply(const Kernels& table, const PackedMatrix& w, Input& input, int64_t begin, int64_t end,
              int64_t first, int64_t rows, Output& out) {
  float* y = out.y.data() + first * out.stride;
  if (traits(w.format()).activation == ActivationFormat::kF32) {
    table.matmul_float(w.format(), w.data(), w.rows(), w.cols(), begin, end, input.floats(first),
                       w.cols(), rows, y, out.stride);
  } else {
    table.matmul_q8(w.format(), w.data(), w.rows(), w.cols(), begin, end, input.quantized(first),
                    rows, y, out.stride);
  }
}

void expect_guards(const Output& out, const Shape& shape, int64_t first_col) {
  for (int64_t r = 0; r < shape.rows; ++r) {
    for (int64_t c = first_col; c < out.stride; ++c) {
      ASSERT_EQ(out.y[static_cast<size_t>(r * out.stride + c)], kGuard)
          << describe(shape) << ": wrote column " << c << " of row " << r;
    }
  }
}

Matrix result(const Output& out, const Shape& shape) {
  return to_matrix(out.y, shape.rows, out.stride).leftCols(shape.out_rows);
}

class MatmulKernels : public KernelTest {
 protected:
  void check(const Shape& shape, const PackedMatrix& w, Input& input) const {
    const int64_t panels = packed_panels(shape.out_rows);
    Output out(shape), twin(shape);
    multiply(table(), w, input, 0, panels, 0, shape.rows, out);
    multiply(scalar_kernels(), w, input, 0, panels, 0, shape.rows, twin);
    const Matrix x = input.values(shape.format);
    const Matrix bound = matmul_bound(x, w.magnitudes());
    EXPECT_TRUE(within(result(out, shape), x * w.values().transpose(), bound)) << describe(shape);
    EXPECT_TRUE(within(result(out, shape), result(twin, shape), 2 * bound)) << describe(shape);
    expect_guards(out, shape, shape.out_rows);
  }
};
OCTAVO_FOR_ALL_TABLES(MatmulKernels);

std::vector<int64_t> widths(Format format) {
  if (is_super(format)) return {256, 512, 1024};
  return {1, 7, 16, 31, 32, 33, 48, 64, 80, 96, 128, 172, 176, 208, 255, 256, 272, 600};
}

TEST_P(MatmulKernels, EqualTheSumsForAllShapes) {
  Random random(1);
  for (const Format format : all_formats()) {
    for (const int64_t cols : widths(format)) {
      for (const int64_t out_rows : {1, 5, 16, 17, 31, 48, 50}) {
        const PackedMatrix w = random_blocks(format, out_rows, cols, random);
        const int64_t rows = 1 + random.below(20);
        Input input(random.normals(rows * cols), rows, cols);
        check({format, out_rows, cols, rows}, w, input);
      }
    }
  }
}

TEST_P(MatmulKernels, EqualTheSumsForAllRowCounts) {
  Random random(2);
  for (const Format format : all_formats()) {
    const int64_t cols = is_super(format) ? 512 : 172;
    const PackedMatrix w = random_blocks(format, 40, cols, random);
    for (int64_t rows = 1; rows <= 33; ++rows) {
      Input input(random.normals(rows * cols), rows, cols);
      check({format, 40, cols, rows}, w, input);
    }
  }
}

// Rows of zeros, one huge value among small ones, tiny values, alternating signs, subnormals.
std::vector<float> extreme_rows(int64_t cols, Random& random) {
  std::vector<float> x = random.normals(6 * cols);
  for (int64_t k = 0; k < cols; ++k) {
    x[static_cast<size_t>(k)] = 0;
    x[static_cast<size_t>(2 * cols + k)] *= 1e-30f;
    x[static_cast<size_t>(3 * cols + k)] = k % 2 == 0 ? 1e18f : -1e18f;
    x[static_cast<size_t>(4 * cols + k)] *= 1e-39f;
  }
  x[static_cast<size_t>(cols + cols / 2)] = 3e4f;
  return x;
}

TEST_P(MatmulKernels, HoldForExtremeActivations) {
  Random random(3);
  for (const Format format : all_formats()) {
    const int64_t cols = is_super(format) ? 256 : 172;
    const PackedMatrix w = random_blocks(format, 20, cols, random);
    Input input(extreme_rows(cols, random), 6, cols);
    check({format, 20, cols, 6}, w, input);
  }
}

TEST_P(MatmulKernels, HoldForExtremeWeights) {
  Random random(4);
  for (const Format format : all_formats()) {
    const int64_t cols = is_super(format) ? 256 : 96;
    for (const double deviation : {0.0, 1e-7, 1e-5, 1e3}) {  // f16 scales: zero, subnormal, large
      const PackedMatrix w = random_blocks(format, 20, cols, random, deviation);
      Input input(random.normals(3 * cols), 3, cols);
      check({format, 20, cols, 3}, w, input);
    }
  }
}

// The extremes of the integers: no intermediate may saturate.
TEST_P(MatmulKernels, DoNotSaturate) {
  const int64_t cols = 256;
  for (const Format format : all_formats()) {
    if (traits(format).activation != ActivationFormat::kQ8) continue;
    for (const int fill : {0x00, 0x7F, 0x80, 0xFF, 0xF0, 0x0F}) {
      std::vector<std::byte> row_order(static_cast<size_t>(16 * row_bytes(format, cols)),
                                       static_cast<std::byte>(fill));
      const auto block = static_cast<size_t>(traits(format).block_bytes);
      for (size_t at = 0; at < row_order.size(); at += block) {
        const bool has_min = format == Format::kQ4_K || format == Format::kQ5_K;
        const size_t first = format == Format::kQ6_K ? offsetof(BlockQ6_K, d) : 0;
        for (size_t scale = first; scale < first + (has_min ? 4 : 2); scale += 2) {
          row_order[at + scale] = std::byte{0x00};  // f16 1.0
          row_order[at + scale + 1] = std::byte{0x3C};
        }
      }
      const PackedMatrix w(format, 16, cols, row_order);
      std::vector<float> x(static_cast<size_t>(2 * cols), 127);
      std::fill(x.begin() + cols, x.end(), -127.0f);
      Input input(x, 2, cols);
      check({format, 16, cols, 2}, w, input);
    }
  }
}

// Bits of two outputs, so that NaN and -0 count as well.
void expect_same_bits(const Output& a, const Output& b, const std::string& what) {
  for (size_t i = 0; i < a.y.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(a.y[i]), std::bit_cast<uint32_t>(b.y[i]))
        << what << ": value " << i << " is " << a.y[i] << " and " << b.y[i];
  }
}

TEST_P(MatmulKernels, GiveARowTheSameBitsInAnyCompany) {
  Random random(5);
  for (const Format format : all_formats()) {
    const int64_t cols = is_super(format) ? 768 : 300;
    const PackedMatrix w = random_blocks(format, 70, cols, random);
    const Shape shape{format, 70, cols, 35};
    Input input(random.normals(shape.rows * cols), shape.rows, cols);
    Output alone(shape);
    for (int64_t r = 0; r < shape.rows; ++r) multiply(table(), w, input, 0, 5, r, 1, alone);
    for (const int64_t step : {2, 3, 4, 5, 7, 8, 16, 17, 35}) {
      Output together(shape);
      for (int64_t r = 0; r < shape.rows; r += step) {
        multiply(table(), w, input, 0, 5, r, std::min(step, shape.rows - r), together);
      }
      expect_same_bits(alone, together, describe(shape) + " by " + std::to_string(step));
    }
  }
}

TEST_P(MatmulKernels, GiveTheSameBitsHoweverPanelsAreSplit) {
  Random random(6);
  for (const Format format : all_formats()) {
    const int64_t cols = is_super(format) ? 256 : 172;
    const PackedMatrix w = random_blocks(format, 90, cols, random);
    const Shape shape{format, 90, cols, 9};
    Input input(random.normals(shape.rows * cols), shape.rows, cols);
    Output whole(shape);
    multiply(table(), w, input, 0, 6, 0, shape.rows, whole);
    for (const int64_t cut : {1, 2, 3, 5}) {
      Output split(shape);
      multiply(table(), w, input, cut, 6, 0, shape.rows, split);
      Output untouched = split;
      multiply(table(), w, input, 0, cut, 0, shape.rows, split);
      expect_same_bits(whole, split, describe(shape) + " cut at " + std::to_string(cut));
      for (int64_t r = 0; r < shape.rows; ++r) {
        for (int64_t c = 0; c < cut * kPanelRows; ++c) {
          ASSERT_EQ(untouched.y[static_cast<size_t>(r * shape.out_rows + r * kGuardCols + c)],
                    kGuard)
              << describe(shape) << ": panels from " << cut << " wrote column " << c;
        }
      }
    }
    Output none(shape);
    multiply(table(), w, input, 3, 3, 0, shape.rows, none);
    expect_guards(none, shape, 0);
  }
}

}  // namespace
}  // namespace octavo::test
