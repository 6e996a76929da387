// The wide products of every table that has them: integers as the scalar twin's, sums as double
// precision's, and bit by bit the same however rows and panels are split.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "quant/block.h"
#include "quant/float16.h"
#include "simd/scalar_wide.h"
#include "support/compare.h"
#include "support/kernel_tables.h"
#include "support/packed_matrix.h"

namespace octavo::test {
namespace {

constexpr float kGuard = -12345.5f;
constexpr int64_t kGuardCols = 40;  // more than two panels' rows

// Rows of activations with room for the tiles that they become.
class Input {
 public:
  Input(std::vector<float> x, int64_t rows, int64_t cols)
      : x_(std::move(x)),
        cols_(cols),
        blocks_(wide_blocks(rows)),
        q_(static_cast<size_t>(wide_groups(cols) * blocks_ * kWideRows * kWideCols / 64)),
        scale_(static_cast<size_t>(wide_groups(cols) * blocks_ * kWideRows)),
        sum_(scale_.size()) {
    for (int64_t r = 0; r < rows; ++r) quantize(r, scalar_quantize_wide);
  }
  template <class Quantize>
  void quantize(int64_t row, Quantize function) {
    for (int64_t group = 0; group < wide_groups(cols_); ++group) {
      const int64_t first = group * kWideCols;
      function(x_.data() + row * cols_ + first, std::min<int64_t>(kWideCols, cols_ - first), group,
               row, tiles());
    }
  }
  WideRows tiles() {
    return {reinterpret_cast<int8_t*>(q_.data()), scale_.data(), sum_.data(), blocks_};
  }
  // What the tiles stand for.
  Matrix values(int64_t rows) {
    const WideRows t = tiles();
    Matrix values(rows, cols_);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t k = 0; k < cols_; ++k) {
        const int64_t group = k / kWideCols, block = r / kWideRows;
        values(r, k) = static_cast<double>(t.scale[t.row_at(group, block) + r % kWideRows]) *
                       t.block(group, block)[wide_at(r % kWideRows, k % kWideCols)];
      }
    }
    return values;
  }
  bool same_tiles(Input& other) {
    const size_t bytes = q_.size() * sizeof(Line);
    return std::memcmp(q_.data(), other.q_.data(), bytes) == 0 && scale_ == other.scale_ &&
           sum_ == other.sum_;
  }

 private:
  struct alignas(64) Line {
    int8_t bytes[64];
  };
  std::vector<float> x_;
  int64_t cols_, blocks_;
  std::vector<Line> q_;
  std::vector<float> scale_;
  std::vector<int32_t> sum_;
};

// The weights that the twin rounds to, [rows, cols].
Matrix rounded_weights(const PackedMatrix& w) {
  Matrix values(w.rows(), w.cols());
  std::array<int8_t, kWideCols> q;
  for (int64_t r = 0; r < w.rows(); ++r) {
    for (int64_t k = 0; k < w.cols(); ++k) {
      const double scale = scalar_wide_weights(w.format(), w.data(), w.cols(), r, k / kWideCols, q);
      values(r, k) = scale * q[static_cast<size_t>(k % kWideCols)];
    }
  }
  return values;
}

class WideKernels : public KernelTest {
 protected:
  void SetUp() override {
    if (table().matmul_wide == nullptr) GTEST_SKIP() << "no wide kernels in this table";
  }
  std::vector<float> run(const PackedMatrix& w, Input& x, int64_t rows) const {
    std::vector<float> y(static_cast<size_t>(rows * stride(w)), kGuard);
    table().matmul_wide(w.format(), w.data(), w.rows(), w.cols(), 0, packed_panels(w.rows()),
                        x.tiles(), rows, y.data(), stride(w));
    return y;
  }
  static int64_t stride(const PackedMatrix& w) { return w.rows() + kGuardCols; }

  void check(const PackedMatrix& w, Input& x, int64_t rows, const std::string& what) const {
    const std::vector<float> y = run(w, x, rows);
    const Matrix result = to_matrix(y, rows, stride(w)).leftCols(w.rows());
    const Matrix input = x.values(rows), weights = rounded_weights(w);
    const Matrix bound = matmul_bound(input, weights.cwiseAbs());
    EXPECT_TRUE(within(result, input * weights.transpose(), bound)) << what;
    std::vector<float> twin(y.size());
    scalar_matmul_wide(w.format(), w.data(), w.rows(), w.cols(), 0, packed_panels(w.rows()),
                       x.tiles(), rows, twin.data(), stride(w));
    EXPECT_TRUE(within(result, to_matrix(twin, rows, stride(w)).leftCols(w.rows()), 2 * bound))
        << what;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = w.rows(); c < stride(w); ++c) {
        ASSERT_EQ(y[static_cast<size_t>(r * stride(w) + c)], kGuard)
            << what << ": wrote column " << c << " of row " << r;
      }
    }
  }
};
OCTAVO_FOR_ALL_TABLES(WideKernels);

std::vector<int64_t> widths(Format format) {
  if (is_super(format)) return {256, 512, 1280};
  return {1, 31, 64, 65, 172, 192, 256, 257, 320, 600};
}

TEST_P(WideKernels, QuantizeAsTheTwin) {
  Random random(1);
  for (const int64_t cols : {1, 63, 64, 100, 255, 256, 700}) {
    const int64_t rows = 37;
    std::vector<float> x = random.normals(rows * cols);
    std::fill_n(x.begin(), cols, 0.0f);
    std::fill_n(x.begin() + cols, cols, 1e-38f);  // too small for a scale
    Input twin(x, rows, cols), input(x, rows, cols);
    for (int64_t r = 0; r < rows; ++r) {
      input.quantize(
          r, [&](const float* v, int64_t count, int64_t group, int64_t row, const WideRows& out) {
            std::fill_n(out.block(group, row / kWideRows) + row % kWideRows * kWideTileCols, 1,
                        int8_t{99});
            table().quantize_wide(v, count, group, row, out);
          });
    }
    EXPECT_TRUE(input.same_tiles(twin)) << cols;
  }
}

TEST_P(WideKernels, EqualTheSumsForAllShapes) {
  Random random(2);
  for (const Format format : wide_formats()) {
    for (const int64_t cols : widths(format)) {
      for (const int64_t out_rows : {1, 16, 17, 40, 70}) {
        const PackedMatrix w = random_blocks(format, out_rows, cols, random);
        const int64_t rows = 1 + random.below(40);
        Input x(random.normals(rows * cols), rows, cols);
        check(w, x, rows,
              std::string(format_name(format)) + " [" + std::to_string(out_rows) + ", " +
                  std::to_string(cols) + "], rows " + std::to_string(rows));
      }
    }
  }
}

// 256 rows share one unpacking of the weights.
TEST_P(WideKernels, EqualTheSumsForAllRowCounts) {
  Random random(3);
  for (const Format format : wide_formats()) {
    const PackedMatrix w = random_blocks(format, 35, 512, random);
    for (const int64_t rows :
         {1, 2, 3, 5, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 48, 255, 256, 257, 300}) {
      Input x(random.normals(rows * 512), rows, 512);
      check(w, x, rows, std::string(format_name(format)) + ", rows " + std::to_string(rows));
    }
  }
}

// All nibbles at an end of their range and all activations at an end of theirs: the largest sums.
TEST_P(WideKernels, LargestValuesDoNotOverflow) {
  for (const uint8_t quants : {uint8_t{0x00}, uint8_t{0xFF}, uint8_t{0x0F}}) {
    for (const float d : {0.5f, -0.5f}) {
      BlockQ4_0 block{f32_to_f16(d), {}};
      std::fill(std::begin(block.qs), std::end(block.qs), quants);
      std::vector<std::byte> rows(static_cast<size_t>(16 * row_bytes(Format::kQ4_0, 512)));
      for (size_t at = 0; at < rows.size(); at += sizeof block) {
        std::memcpy(rows.data() + at, &block, sizeof block);
      }
      const PackedMatrix w(Format::kQ4_0, 16, 512, std::move(rows));
      for (const float value : {1.0f, -1.0f}) {
        Input x(std::vector<float>(20 * 512, value), 20, 512);
        check(w, x, 20, std::to_string(quants) + ", " + std::to_string(d * value));
      }
    }
  }
}

TEST_P(WideKernels, ZeroScalesGiveZeros) {
  for (const Format format : wide_formats()) {
    std::vector<std::byte> rows(static_cast<size_t>(16 * row_bytes(format, 256)));
    const PackedMatrix w(format, 16, 256, std::move(rows));
    Random random(4);
    Input x(random.normals(17 * 256), 17, 256);
    const std::vector<float> y = run(w, x, 17);
    for (int64_t r = 0; r < 17; ++r) {
      for (int64_t n = 0; n < 16; ++n) EXPECT_EQ(y[static_cast<size_t>(r * stride(w) + n)], 0);
    }
  }
}

TEST_P(WideKernels, TheSameBitsHoweverPanelsAndRowsAreSplit) {
  Random random(5);
  const PackedMatrix w = random_blocks(Format::kQ5_K, 16 * 7, 512, random);
  const int64_t rows = 60;
  Input x(random.normals(rows * 512), rows, 512);
  const std::vector<float> whole = run(w, x, rows);
  for (const int64_t step : {1, 2, 3}) {
    for (const int64_t block_rows : {16, 48}) {
      std::vector<float> y(whole.size(), kGuard);
      for (int64_t p = 0; p < 7; p += step) {
        for (int64_t r = 0; r < rows; r += block_rows) {
          table().matmul_wide(w.format(), w.data(), w.rows(), w.cols(), p,
                              std::min<int64_t>(7, p + step), x.tiles().after(r / kWideRows),
                              std::min(block_rows, rows - r), y.data() + r * stride(w), stride(w));
        }
      }
      EXPECT_EQ(std::memcmp(y.data(), whole.data(), y.size() * sizeof(float)), 0)
          << step << " panels, " << block_rows << " rows";
    }
  }
}

}  // namespace
}  // namespace octavo::test
