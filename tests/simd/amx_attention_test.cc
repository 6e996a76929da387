// attend_tile with AMX tiles, also on machines that have none.
#include <gtest/gtest.h>

#include "support/amx_tables.h"
#include "support/attend_problem.h"
#include "support/reference_ops.h"

namespace octavo::test {
namespace {

using AmxAttention = AmxTest;
OCTAVO_FOR_AMX_TABLES(AmxAttention);

constexpr CacheFormat kFormats[] = {CacheFormat::kF16, CacheFormat::kBF16, CacheFormat::kQ8_0};
constexpr CacheFormat kAllFormats[] = {CacheFormat::kF32, CacheFormat::kF16, CacheFormat::kBF16,
                                       CacheFormat::kQ8_0};

TEST_P(AmxAttention, AllShapes) {
  Random random(1);
  for (const CacheFormat format : kAllFormats) {
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

// Around the sizes of panels, steps and blocks of keys, and of blocks of rows.
TEST_P(AmxAttention, FewAndManyEntries) {
  Random random(2);
  for (const CacheFormat format : kFormats) {
    for (const int64_t past : {0, 1, 15, 16, 31, 32, 33, 62, 63, 64, 65, 127, 128, 700, 2000}) {
      for (const int64_t tokens : {1, 4, 5, 8, 9, 17}) {
        check_attend_tile(table(), {format, tokens, 4, 32, past}, random);
      }
    }
  }
}

TEST_P(AmxAttention, ManyTokens) {
  Random random(3);
  for (const int64_t window : {0, 1, 2, 63, 64, 65, 100}) {
    for (const int64_t past : {0, 5, 190}) {
      check_attend_tile(table(), {CacheFormat::kF16, 150, 1, 24, past, window}, random);
    }
  }
}

TEST_P(AmxAttention, LargeScores) {
  Random random(4);
  for (const CacheFormat format : kFormats) {
    for (const float size : {0.0f, 50.0f, 1000.0f}) {
      check_attend_tile(table(), {format, 20, 4, 64, 100, 0, size}, random);
      check_attend_tile(table(), {format, 20, 4, 64, 100, 30, size}, random);
    }
  }
}

TEST_P(AmxAttention, GivesARowTheSameBitsInAnyTile) {
  Random random(5);
  for (const CacheFormat format : kFormats) {
    for (const int64_t window : {0, 7, 90}) {
      for (const int64_t group : {1, 4, 7}) {
        const AttendCase c{format, 70, group, 20, 100, window};
        // Few rows do not go through tiles.
        const int64_t least = kFewRows / group + 1;
        check_attend_tile_alone(table(), c, window > 0 ? random.below(1000) : 0, random, least);
      }
    }
  }
}

TEST_P(AmxAttention, GivesTheBitsOfTheEmulation) {
  Random random(6);
  for (const CacheFormat format : kAllFormats) {
    for (const int64_t head_dim : {20, 64, 128}) {
      for (const int64_t window : {0, 50}) {
        const AttendCase c{format, 23, 4, head_dim, 90, window};
        const AttendProblem problem(c, random);
        expect_same_bits(problem.run(table(), 0, c.tokens, 0),
                         problem.run(*emulated_amx_kernels(), 0, c.tokens, 0), c);
      }
    }
  }
}

// Typical errors: about 1 / 30 of what rounding to f16 does to the cache (2^-11 of a number at
// most, less than half of that on average); the high parts alone would make 2e-3.
TEST_P(AmxAttention, LosesLittleToTheSplit) {
  Random random(7);
  for (const CacheFormat format : kFormats) {
    for (const int64_t head_dim : {16, 64, 128}) {
      const AttendCase c{format, 16, 4, head_dim, 200};
      const AttendProblem problem(c, random);
      const Matrix actual =
          to_matrix(problem.run(table(), 0, c.tokens, 0), c.tokens, c.group * c.head_dim);
      const Matrix expected = reference_attention(problem.queries(), problem.keys(),
                                                  problem.values(), {c.group, 1, head_dim, 0}, 200);
      EXPECT_LT(relative_rms(actual, expected), 0x1p-17) << describe(c);
    }
  }
}

}  // namespace
}  // namespace octavo::test
