// Attention of a block of tokens, every table against the scalar twin and double precision.
#include <gtest/gtest.h>

#include "support/attend_problem.h"
#include "support/compare.h"
#include "support/kernel_tables.h"
#include "support/reference_ops.h"

namespace octavo::test {
namespace {

constexpr CacheFormat kFormats[] = {CacheFormat::kF32, CacheFormat::kF16, CacheFormat::kBF16,
                                    CacheFormat::kQ8_0};

using AttendTileKernel = KernelTest;
OCTAVO_FOR_ALL_TABLES(AttendTileKernel);

TEST_P(AttendTileKernel, AllShapes) {
  Random random(1);
  for (const CacheFormat format : kFormats) {
    for (const int64_t head_dim : {2, 8, 20, 64, 80, 128}) {
      for (const int64_t group : {1, 2, 3, 4, 7, 8}) {
        AttendCase c{format, 1 + random.below(40), group, head_dim, random.below(150)};
        check_attend_tile(table(), c, random);
        c.window = 1 + random.below(80);
        check_attend_tile(table(), c, random);
      }
    }
  }
}

// Around the sizes of the blocks of keys.
TEST_P(AttendTileKernel, FewAndManyEntries) {
  Random random(2);
  for (const int64_t past : {0, 1, 15, 16, 31, 32, 33, 62, 63, 64, 65, 127, 128, 700, 2000}) {
    for (const int64_t tokens : {1, 2, 33}) {
      check_attend_tile(table(), {CacheFormat::kF16, tokens, 4, 32, past}, random);
    }
  }
}

// Prompts longer than a block of keys: the diagonal crosses several blocks, windows leave whole
// blocks out for some rows and not for others.
TEST_P(AttendTileKernel, ManyTokens) {
  Random random(3);
  for (const int64_t window : {0, 1, 2, 63, 64, 65, 100}) {
    for (const int64_t past : {0, 5, 190}) {
      check_attend_tile(table(), {CacheFormat::kBF16, 150, 2, 24, past, window}, random);
    }
  }
}

// Scores far apart: the softmax must not overflow, and one entry takes all.
TEST_P(AttendTileKernel, LargeScores) {
  Random random(4);
  for (const CacheFormat format : {CacheFormat::kF32, CacheFormat::kF16}) {
    for (const float size : {0.0f, 50.0f, 1000.0f}) {
      check_attend_tile(table(), {format, 20, 4, 64, 100, 0, size}, random);
      check_attend_tile(table(), {format, 20, 4, 64, 100, 30, size}, random);
    }
  }
}

TEST_P(AttendTileKernel, GiveARowTheSameBitsInAnyTile) {
  Random random(5);
  for (const int64_t window : {0, 7, 90}) {
    for (const int64_t group : {1, 4, 7}) {
      for (const int64_t head_dim : {20, 64}) {
        const AttendCase c{CacheFormat::kF16, 70, group, head_dim, 100, window};
        // Few rows are another kernel's.
        const int64_t least = uses_pairs(table()) ? kFewRows / group + 1 : 1;
        check_attend_tile_alone(table(), c, window > 0 ? random.below(1000) : 0, random, least);
      }
    }
  }
}

// Integers of 16 bits lose about a third of what rounding keys and values to f16 lost before,
// whether a row looks at all keys alike or at few of them, and whatever the size of some numbers.
TEST_P(AttendTileKernel, IntegersLoseLessThanTheCache) {
  if (!uses_pairs(table())) GTEST_SKIP() << "floats";
  for (const int64_t head_dim : {16, 64, 128}) {
    for (const float size : {0.1f, 1.0f, 4.0f}) {
      AttendCase c{CacheFormat::kF16, 32, 4, head_dim, 400, 0, size};
      const auto exact = [&](const AttendProblem& problem) {
        return reference_attention(problem.queries(), problem.keys(), problem.values(),
                                   {c.group, 1, head_dim, 0}, c.past);
      };
      Random random(7), again(7);
      const AttendProblem problem(c, random);
      const Matrix expected = exact(problem);
      const Matrix actual =
          to_matrix(problem.run(table(), 0, c.tokens, 0), c.tokens, c.group * head_dim);
      c.format = CacheFormat::kF32;
      const double lost_before = relative_rms(expected, exact(AttendProblem(c, again)));
      EXPECT_LT(relative_rms(actual, expected), 0.45 * lost_before) << describe(c) << " " << size;
    }
  }
}

}  // namespace
}  // namespace octavo::test
