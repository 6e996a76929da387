// Attention's kernels under the emulation, each against double precision over the very entries that
// the cache holds, so that only arithmetic is left to differ.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "backend/cuda/kernels/row_ops.h"
#include "cuda/attention_problem.h"

namespace octavo::test {
namespace {

TEST(AttendPlain, IsSoftmaxOverTheKeysThatARowSees) {
  for (const KvType type : kTypes) {
    for (const Shape& shape :
         {Shape{type, 4, 2, 16, 0}, Shape{type, 3, 1, 44, 9}, Shape{type, 2, 2, 300, 70}}) {
      Sequence sequence(shape, 200, 2);
      for (const int rows : {1, 70, 3, 60}) {
        sequence.append(shape.window > 0 ? std::min(rows, 64) : rows);
        run(cuda::attend_plain, sequence.rows_of(), sequence.pages().view());
        expect_near(sequence.take_out(), sequence.expected(), 2e-6, 1e-7,
                    describe(shape, sequence.position(), rows));
      }
    }
  }
}

std::vector<float> attend_few(Sequence& sequence, const Shape& shape, int rows, int spare,
                              const cuda::Q8& q8 = {}) {
  const int parts = cuda::attend_parts(sequence.position() + rows, shape.window) + spare;
  std::vector<float> scratch(static_cast<size_t>(cuda::attend_scratch(
                                 rows, shape.heads, cuda::kv_row(shape.head_dim), parts)),
                             NAN);
  run(cuda::attend_few, sequence.rows_of(), sequence.pages().view(), parts, scratch.data(), q8);
  return sequence.take_out();
}

TEST(AttendFew, IsSoftmaxOverTheKeysThatARowSees) {
  for (const KvType type : kTypes) {
    for (const Shape& shape :
         {Shape{type, 4, 2, 16, 0}, Shape{type, 7, 1, 44, 9}, Shape{type, 8, 2, 128, 0},
          Shape{type, 2, 2, 256, 130}, Shape{type, 10, 2, 80, 300}}) {
      Sequence sequence(shape, 700, 3);
      for (const int rows : {1, 2, 60, 64, 1, 8, 64, 64, 64, 64, 3}) {
        sequence.append(rows);
        if (rows > 8) continue;
        expect_near(attend_few(sequence, shape, rows, rows % 2), sequence.expected(), 2e-6, 1e-7,
                    describe(shape, sequence.position(), rows));
      }
    }
  }
}

TEST(AttendFew, ARowGivesTheSameBitsInAnyCompany) {
  for (const int window : {0, 100}) {
    const Shape shape = {KvType::kF16, 4, 2, 64, window};
    Sequence together(shape, 400, 4);
    for (const int rows : {64, 64, 64, 60, 5}) together.append(rows);
    const std::vector<float> all = attend_few(together, shape, 5, 0);
    cuda::AttentionRows one = together.rows_of();
    const size_t width = size_t{4} * 64;
    for (int r = 0; r < 5; ++r) {
      std::vector<float> q(together.q().begin() + static_cast<long>(r * width),
                           together.q().begin() + static_cast<long>((r + 1) * width));
      std::vector<float> out(width), scratch(4 * 8 * 66);
      cuda::AttentionRows row = one;
      row.q = q.data(), row.out = out.data(), row.rows = 1, row.first = one.first + r;
      const int parts = cuda::attend_parts(together.position() + r + 1, window);
      ASSERT_LE(parts, 8);
      run(cuda::attend_few, row, together.pages().view(), parts, scratch.data(), cuda::Q8{});
      EXPECT_EQ(std::memcmp(out.data(), all.data() + r * width, width * 4), 0) << "row " << r;
    }
  }
}

TEST(AttendFew, QuantizesItsResultAsAKernelOfItsOwnWould) {
  for (const Shape& shape : {Shape{KvType::kF16, 4, 2, 32, 0}, Shape{KvType::kQ8_0, 8, 2, 128, 90},
                             Shape{KvType::kF32, 2, 1, 256, 0}}) {
    Sequence sequence(shape, 400, 6);
    for (const int rows : {60, 3, 64, 1, 64, 8}) {
      sequence.append(rows);
      if (rows > 8) continue;
      const int64_t cols = int64_t{shape.heads} * shape.head_dim;
      const auto size = static_cast<size_t>(rows * cols);
      struct Quantized {
        explicit Quantized(size_t size) : q(size, 99), scale(size / 32), sum(size / 32) {}
        std::vector<int8_t> q;
        std::vector<float> scale;
        std::vector<int32_t> sum;
      };
      Quantized fused(size), apart(size);
      const std::vector<float> out = attend_few(
          sequence, shape, rows, 0, {fused.q.data(), fused.scale.data(), fused.sum.data(), cols});
      run(cuda::quantize_q8, out.data(), cols, int64_t{rows},
          cuda::Q8{apart.q.data(), apart.scale.data(), apart.sum.data(), cols});
      EXPECT_EQ(fused.q, apart.q);
      EXPECT_EQ(fused.scale, apart.scale);
      EXPECT_EQ(fused.sum, apart.sum);
    }
  }
}

TEST(AttendTiles, IsSoftmaxOverTheKeysThatARowSees) {
  for (const KvType type : {KvType::kF16, KvType::kBF16, KvType::kQ8_0}) {
    for (const Shape& shape :
         {Shape{type, 4, 2, 16, 0}, Shape{type, 7, 1, 44, 9}, Shape{type, 8, 2, 128, 0},
          Shape{type, 3, 1, 64, 70}, Shape{type, 2, 2, 96, 64}}) {
      Sequence sequence(shape, 400, 5);
      ASSERT_TRUE(cuda::attends_in_tiles(sequence.pages().view()));
      for (const int rows : {5, 64, 1, 17, 61}) {
        sequence.append(rows);
        run(cuda::attend_tiles, sequence.rows_of(), sequence.pages().view());
        // Queries and weights are rounded to f16: scores of size 3 to 6 by half a unit of their
        // largest products, weights by half a unit each.
        const double unit = 0x1p-12;
        expect_near(sequence.take_out(), sequence.expected(), 7 * unit, 1.1 * unit,
                    describe(shape, sequence.position(), rows));
      }
    }
  }
}

TEST(AttendTiles, LeavesExactCachesAndWideHeadsToOthers) {
  EXPECT_FALSE(cuda::attends_in_tiles(Pages(KvType::kF32, 1, 64, 0, 1).view()));
  EXPECT_FALSE(cuda::attends_in_tiles(Pages(KvType::kF16, 1, 130, 0, 1).view()));
}

}  // namespace
}  // namespace octavo::test
