// Which ops take over the work of their neighbours.
#include <gtest/gtest.h>

#include <variant>

#include "backend/cuda/ops.h"

namespace octavo::test {
namespace {

using namespace cuda;

class FusionTest : public ::testing::Test {
 protected:
  static constexpr int64_t kRows = 2, kCols = 128;

  NormOp norm() { return {x_, kRows, kCols, gain_, 1e-5f, normed_}; }
  MatmulOp matmul(const float* x, Format format) {
    MatmulOp op = {x, kRows, kCols, {}, 1};
    op.products[0].weight.format = format;
    return op;
  }
  MoeOp moe(Format format) {
    MoeOp op = {normed_, kRows, {}, {}, 2, delta_};
    op.experts.dim = kCols;
    op.experts.hidden = format_bit(format);
    return op;
  }
  AttentionOp attention(int heads, int head_dim) {
    AttentionOp op = {};
    op.rows.out = attended_;
    op.rows.rows = kRows;
    op.rows.heads = heads;
    op.cache.head_dim = head_dim;
    op.cache.row = kv_row(head_dim);
    return op;
  }

  float x_[1], gain_[1], normed_[1], delta_[1], attended_[1];
};

TEST_F(FusionTest, AnAdditionGoesIntoTheNormBehindIt) {
  Op last = AddOp{x_, kRows * kCols, delta_}, next = norm();
  EXPECT_TRUE(fuse(last, next));
  EXPECT_EQ(std::get<NormOp>(last).added, delta_);
  EXPECT_EQ(std::get<NormOp>(last).x, x_);
  Op elsewhere = AddOp{delta_, kRows * kCols, x_}, more = AddOp{x_, 3 * kRows * kCols, delta_};
  next = norm();
  EXPECT_FALSE(fuse(elsewhere, next));
  EXPECT_FALSE(fuse(more, next));
  EXPECT_EQ(std::get<NormOp>(next).added, nullptr);
}

TEST_F(FusionTest, ANormQuantizesForTheProductBehindIt) {
  Op last = norm(), next = matmul(normed_, Format::kQ4_K);
  EXPECT_FALSE(fuse(last, next));
  EXPECT_TRUE(std::get<NormOp>(last).leaves_q8);
  EXPECT_TRUE(std::get<MatmulOp>(next).finds_q8);
  last = norm(), next = moe(Format::kQ8_0);
  EXPECT_FALSE(fuse(last, next));
  EXPECT_TRUE(std::get<NormOp>(last).leaves_q8);
  EXPECT_TRUE(std::get<MoeOp>(next).finds_q8);
}

TEST_F(FusionTest, NothingIsQuantizedForNobody) {
  MatmulOp other_rows = matmul(normed_, Format::kQ4_0);
  other_rows.rows = 1;
  for (Op next : {Op(matmul(x_, Format::kQ4_0)), Op(matmul(normed_, Format::kBF16)),
                  Op(moe(Format::kF16)), Op(other_rows)}) {
    Op last = norm();
    EXPECT_FALSE(fuse(last, next));
    EXPECT_FALSE(std::get<NormOp>(last).leaves_q8);
    if (const auto* product = std::get_if<MatmulOp>(&next)) {
      EXPECT_FALSE(product->finds_q8);
    } else {
      EXPECT_FALSE(std::get<MoeOp>(next).finds_q8);
    }
  }
}

TEST_F(FusionTest, AttentionQuantizesWhereItsWarpsHaveWholeBlocks) {
  struct Case {
    int heads, head_dim;
    bool is_taken;
  };
  for (const Case& c : {Case{4, 32, true}, Case{1, 128, true}, Case{8, 16, false},
                        Case{4, 24, false}, Case{1, 512, false}, Case{3, 32, false}}) {
    Op last = attention(c.heads, c.head_dim);
    MatmulOp product = matmul(attended_, Format::kQ4_0);
    product.cols = c.heads * c.head_dim;
    Op next = product;
    EXPECT_FALSE(fuse(last, next));
    EXPECT_EQ(std::get<AttentionOp>(last).leaves_q8, c.is_taken) << c.heads << " x " << c.head_dim;
    EXPECT_EQ(std::get<MatmulOp>(next).finds_q8, c.is_taken);
  }
}

}  // namespace
}  // namespace octavo::test
