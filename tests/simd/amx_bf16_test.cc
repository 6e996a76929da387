// matmul_bf16 with AMX tiles, also on machines that have none.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "quant/float16.h"
#include "simd/scalar_bf16.h"
#include "support/amx_tables.h"

namespace octavo::test {
namespace {

using AmxBf16 = AmxTest;
OCTAVO_FOR_AMX_TABLES(AmxBf16);

// Activations as matmul_bf16 takes them. Rows of the last block that do not exist are NaN.
class Bf16Input {
 public:
  using Split = decltype(Kernels::split_bf16);

  Bf16Input(std::vector<float> x, const ProductShape& shape, int parts, Split split)
      : x_(std::move(x)), shape_(shape) {
    const int64_t tiles = bf16_steps(shape.cols) * bf16_blocks(shape.rows);
    high_.resize(static_cast<size_t>(tiles));
    rows_ = {high_[0].value, nullptr, bf16_blocks(shape.rows)};
    if (parts == 2) {
      low_.resize(high_.size());
      rows_.low = low_[0].value;
    }
    for (int64_t r = 0; r < shape.rows; ++r)
      split(x_.data() + r * shape.cols, shape.cols, r, rows_);
  }
  const Bf16Rows& rows() const { return rows_; }
  Matrix exact() const { return to_matrix(x_, shape_.rows, shape_.cols); }
  // What the parts add up to.
  Matrix values() const {
    Matrix values(shape_.rows, shape_.cols);
    for (int64_t r = 0; r < shape_.rows; ++r) {
      for (int64_t k = 0; k < shape_.cols; ++k) {
        const int64_t at = rows_.row_at(k / kBf16Cols, r) + k % kBf16Cols;
        values(r, k) = bf16_to_f32(rows_.high[at]);
        if (rows_.low != nullptr) values(r, k) += bf16_to_f32(rows_.low[at]);
      }
    }
    return values;
  }
  // Every number of both parts, padding included.
  std::vector<uint16_t> bits() const {
    std::vector<uint16_t> bits;
    for (const std::vector<Tile>* part : {&high_, &low_}) {
      for (const Tile& tile : *part) {
        bits.insert(bits.end(), std::begin(tile.value), std::end(tile.value));
      }
    }
    return bits;
  }

 private:
  struct alignas(64) Tile {
    Tile() { std::fill(std::begin(value), std::end(value), uint16_t{0x7FC1}); }
    uint16_t value[kBf16Rows * kBf16Cols];
  };
  std::vector<float> x_;
  ProductShape shape_;
  std::vector<Tile> high_, low_;
  Bf16Rows rows_;
};

// The weights that the kernel multiplies.
Matrix bf16_values(const PackedMatrix& w) {
  Matrix values(w.rows(), w.cols());
  std::vector<float> row(static_cast<size_t>(w.cols()));
  for (int64_t n = 0; n < w.rows(); ++n) {
    scalar_bf16_weights(w.format(), w.data(), n, row);
    values.row(n) = to_matrix(row, 1, w.cols());
  }
  return values;
}

void check(const Kernels& table, const ProductShape& shape, const PackedMatrix& w, Random& random) {
  for (const int parts : {1, 2}) {
    const Bf16Input x(random.normals(shape.rows * shape.cols), shape, parts, table.split_bf16);
    const int64_t panels = packed_panels(shape.out_rows);
    const auto out = guarded_product(table.matmul_bf16, w, x.rows(), shape, 0, panels);
    const Matrix values = x.values(), weights = bf16_values(w);
    const Matrix magnitudes = values.cwiseAbs() * weights.cwiseAbs().transpose();
    const Matrix bound = (magnitudes * sum_error(parts * shape.cols)).array() + 1e-36;
    EXPECT_TRUE(within(out.values(), values * weights.transpose(), bound)) << describe(shape);
    const auto twin = guarded_product(scalar_matmul_bf16, w, x.rows(), shape, 0, panels);
    EXPECT_TRUE(within(out.values(), twin.values(), 2 * bound)) << describe(shape);
  }
}

constexpr Format kFormats[] = {Format::kBF16, Format::kQ8_0, Format::kQ6_K};

std::vector<int64_t> widths(Format format) {
  if (is_super(format)) return {256, 512, 768};
  return {1, 2, 31, 32, 33, 63, 64, 65, 96, 128, 130, 172, 300, 600};
}

TEST_P(AmxBf16, EqualsTheSumsForAllShapes) {
  Random random(1);
  for (const Format format : kFormats) {
    for (const int64_t cols : widths(format)) {
      for (const int64_t out_rows : {1, 16, 17, 31, 33, 48, 90}) {
        const PackedMatrix w = random_blocks(format, out_rows, cols, random);
        check(table(), {format, out_rows, cols, 1 + random.below(70)}, w, random);
      }
    }
  }
}

TEST_P(AmxBf16, EqualsTheSumsForAllRowCounts) {
  Random random(2);
  for (const Format format : kFormats) {
    const int64_t cols = is_super(format) ? 256 : 140;
    const PackedMatrix w = random_blocks(format, 33, cols, random);
    for (int64_t rows = 1; rows <= 70; ++rows) check(table(), {format, 33, cols, rows}, w, random);
    for (const int64_t rows : {127, 128, 129, 161, 300}) {
      check(table(), {format, 33, cols, rows}, w, random);
    }
  }
}

TEST_P(AmxBf16, GivesTheSameBitsHoweverPanelsAreSplit) {
  Random random(3);
  for (const Format format : kFormats) {
    const ProductShape shape{format, 90, is_super(format) ? 512 : 300, 37};
    const PackedMatrix w = random_blocks(format, shape.out_rows, shape.cols, random);
    const Bf16Input x(random.normals(shape.rows * shape.cols), shape, 2, table().split_bf16);
    const auto whole = guarded_product(table().matmul_bf16, w, x.rows(), shape, 0, 6);
    for (int64_t begin = 0; begin <= 6; ++begin) {
      for (int64_t end = begin; end <= 6; ++end) {
        const auto part = guarded_product(table().matmul_bf16, w, x.rows(), shape, begin, end);
        part.expect_same_bits(whole, begin, end);
      }
    }
  }
}

TEST_P(AmxBf16, GivesARowTheSameBitsInAnyCompany) {
  Random random(4);
  const int64_t cols = 300, out_rows = 40;
  const PackedMatrix w = random_blocks(Format::kQ8_0, out_rows, cols, random);
  const std::vector<float> x = random.normals(150 * cols);
  const ProductShape all{Format::kQ8_0, out_rows, cols, 150};
  const Bf16Input together(x, all, 2, table().split_bf16);
  const auto whole = guarded_product(table().matmul_bf16, w, together.rows(), all, 0, 3);
  for (const int64_t rows : {1, 15, 16, 17, 33, 129}) {
    const ProductShape few{Format::kQ8_0, out_rows, cols, rows};
    const std::vector<float> first(x.begin(), x.begin() + rows * cols);
    const Bf16Input part(first, few, 2, table().split_bf16);
    guarded_product(table().matmul_bf16, w, part.rows(), few, 0, 3).expect_same_bits(whole, 0, 3);
  }
}

// Rounding to 8 bits of mantissa, of weights and (one part) of activations, beside the exact
// product.
TEST_P(AmxBf16, RoundsNoMoreThanItSays) {
  Random random(5);
  const ProductShape shape{Format::kQ8_0, 32, 512, 32};
  const PackedMatrix w = random_blocks(shape.format, shape.out_rows, shape.cols, random);
  for (const int parts : {1, 2}) {
    const Bf16Input x(random.normals(shape.rows * shape.cols), shape, parts, table().split_bf16);
    const auto out = guarded_product(table().matmul_bf16, w, x.rows(), shape, 0, 2);
    const Matrix magnitudes = x.exact().cwiseAbs() * w.magnitudes().transpose();
    const double rounding = 0x1p-8 + (parts == 1 ? 0x1p-8 + 0x1p-16 : 0x1p-15);
    const Matrix bound = magnitudes * (rounding + sum_error(parts * shape.cols));
    EXPECT_TRUE(within(out.values(), x.exact() * w.values().transpose(), bound));
  }
}

TEST_P(AmxBf16, SplitsAsTheTwinDoes) {
  Random random(6);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const int64_t cols : {1, 15, 16, 17, 31, 32, 33, 100}) {
    const ProductShape shape{Format::kBF16, 16, cols, 21};
    std::vector<float> x = random.normals(shape.rows * cols);
    for (size_t i = 0; i < x.size(); i += 3) x[i] = std::bit_cast<float>(0x3F808000u);  // a tie
    x[0] = std::numeric_limits<float>::quiet_NaN();
    x[static_cast<size_t>(cols)] = kInfinity;
    x[static_cast<size_t>(2 * cols)] = std::bit_cast<float>(0x7FFFFFFFu);  // NaN, all bits set
    x[static_cast<size_t>(3 * cols)] = 1e-40f;
    x[static_cast<size_t>(4 * cols)] = -0.0f;
    for (const int parts : {1, 2}) {
      const Bf16Input one(x, shape, parts, table().split_bf16);
      const Bf16Input twin(x, shape, parts, scalar_split_bf16);
      EXPECT_EQ(one.bits(), twin.bits()) << cols << " columns, parts " << parts;
    }
  }
}

}  // namespace
}  // namespace octavo::test
