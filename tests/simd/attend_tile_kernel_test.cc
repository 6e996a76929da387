// Attention of a block of tokens, every table against the scalar twin and double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "support/cached.h"
#include "support/compare.h"
#include "support/kernel_tables.h"
#include "support/random.h"
#include "support/reference_ops.h"

namespace octavo::test {
namespace {

constexpr float kGuard = -12345.5f;

struct Case {
  CacheFormat format = CacheFormat::kF32;
  int64_t tokens = 1, group = 1, head_dim = 16;
  int64_t past = 0;    ///< entries before the first token's own
  int64_t window = 0;  ///< the runs hold nothing older than the first token sees
  int64_t split = 0;   ///< entries of the first run, when the ring wraps; 0: one run
  float size = 1;      ///< of the queries

  int64_t entries() const { return past + tokens; }
};

std::string describe(const Case& c) {
  return "format " + std::to_string(static_cast<int>(c.format)) + ", " + std::to_string(c.tokens) +
         " tokens, group " + std::to_string(c.group) + ", head_dim " + std::to_string(c.head_dim) +
         ", past " + std::to_string(c.past) + ", window " + std::to_string(c.window) +
         ", split at " + std::to_string(c.split);
}

// A case with its numbers. The rows of q have a gap of NaN between them.
class Problem {
 public:
  Problem(const Case& c, Random& random)
      : c_(c),
        keys_(c.format, random.normals(c.entries() * c.head_dim)),
        values_(c.format, random.normals(c.entries() * c.head_dim)),
        q_(random.normals(c.tokens * stride(), c.size)) {
    for (int64_t t = 0; t < c.tokens; ++t) {
      std::fill_n(q_.begin() + t * stride() + cols(), kGap, NAN);
    }
  }

  // out [count, cols] of tokens [first, first + count), the first entry being at `start`; checks
  // that nothing else is written.
  std::vector<float> run(const Kernels& table, int64_t first, int64_t count, int64_t start) const {
    const int64_t oldest =
        c_.window > 0 ? std::max<int64_t>(0, c_.past + first - c_.window + 1) : 0;
    const std::vector<KvRun> runs = visible(oldest, c_.past + first + count);
    std::vector<float> out(static_cast<size_t>(count * stride()), kGuard);
    const int64_t floats = attend_tile_scratch(count * c_.group, c_.head_dim);
    std::vector<float> scratch(static_cast<size_t>(floats) + 1, kGuard);
    const AttendTile tile = {.format = c_.format,
                             .tokens = count,
                             .group = c_.group,
                             .head_dim = c_.head_dim,
                             .q = q_.data() + first * stride(),
                             .q_stride = stride(),
                             .out = out.data(),
                             .out_stride = stride(),
                             .scale = 1 / std::sqrt(static_cast<float>(c_.head_dim)),
                             .window = c_.window,
                             .start = start + oldest,
                             .runs = runs};
    table.attend_tile(tile, scratch.data());
    EXPECT_EQ(scratch.back(), kGuard) << describe(c_);
    std::vector<float> dense;
    for (int64_t t = 0; t < count; ++t) {
      const float* row = out.data() + t * stride();
      dense.insert(dense.end(), row, row + cols());
      for (int64_t i = cols(); i < stride(); ++i) EXPECT_EQ(row[i], kGuard) << describe(c_);
    }
    return dense;
  }

  Matrix queries() const {
    Matrix q(c_.tokens, cols());
    for (int64_t t = 0; t < c_.tokens; ++t) {
      for (int64_t i = 0; i < cols(); ++i) q(t, i) = q_[static_cast<size_t>(t * stride() + i)];
    }
    return q;
  }
  Matrix keys() const { return to_matrix(keys_.values, c_.entries(), c_.head_dim); }
  Matrix values() const { return to_matrix(values_.values, c_.entries(), c_.head_dim); }

 private:
  static constexpr int64_t kGap = 3;
  int64_t cols() const { return c_.group * c_.head_dim; }
  int64_t stride() const { return cols() + kGap; }

  // Entries [begin, end) as runs.
  std::vector<KvRun> visible(int64_t begin, int64_t end) const {
    const int64_t bytes = c_.head_dim * (c_.format == CacheFormat::kF32 ? 4 : 2);
    const auto run = [&](int64_t from, int64_t to) {
      return KvRun{keys_.bytes.data() + from * bytes, values_.bytes.data() + from * bytes,
                   to - from};
    };
    if (c_.split <= begin || c_.split >= end) return {run(begin, end)};
    return {run(begin, c_.split), run(c_.split, end)};
  }

  Case c_;
  Cached keys_, values_;
  std::vector<float> q_;  // [tokens, stride]
};

class AttendTileKernel : public KernelTest {
 protected:
  void check(const Case& c, Random& random) const {
    const Problem problem(c, random);
    const auto result = [&](const Kernels& kernels) {
      return to_matrix(problem.run(kernels, 0, c.tokens, 0), c.tokens, c.group * c.head_dim);
    };
    const Matrix actual = result(table());
    const Matrix q = problem.queries(), keys = problem.keys(), values = problem.values();
    const Matrix bound = attention_bound(q, keys, values);
    const ReferenceAttention shape{c.group, 1, c.head_dim, c.window};
    EXPECT_TRUE(within(actual, reference_attention(q, keys, values, shape, c.past), bound))
        << describe(c);
    EXPECT_TRUE(within(actual, result(scalar_kernels()), 2 * bound)) << describe(c);
  }
};
OCTAVO_FOR_ALL_TABLES(AttendTileKernel);

TEST_P(AttendTileKernel, AllShapes) {
  Random random(1);
  for (const CacheFormat format : {CacheFormat::kF32, CacheFormat::kF16, CacheFormat::kBF16}) {
    for (const int64_t head_dim : {2, 8, 20, 64, 80, 128}) {
      for (const int64_t group : {1, 2, 3, 4, 7, 8}) {
        Case c{format, 1 + random.below(40), group, head_dim, random.below(150)};
        check(c, random);
        c.window = 1 + random.below(80);
        c.split = random.below(c.entries());
        check(c, random);
      }
    }
  }
}

// Around the sizes of the blocks of keys.
TEST_P(AttendTileKernel, FewAndManyEntries) {
  Random random(2);
  for (const int64_t past : {0, 1, 15, 16, 31, 32, 33, 62, 63, 64, 65, 127, 128, 700, 2000}) {
    for (const int64_t tokens : {1, 2, 33}) {
      check({CacheFormat::kF16, tokens, 4, 32, past, 0, past / 2}, random);
    }
  }
}

// Prompts longer than a block of keys: the diagonal crosses several blocks, windows leave whole
// blocks out for some rows and not for others.
TEST_P(AttendTileKernel, ManyTokens) {
  Random random(3);
  for (const int64_t window : {0, 1, 2, 63, 64, 65, 100}) {
    for (const int64_t past : {0, 5, 190}) {
      check({CacheFormat::kBF16, 150, 2, 24, past, window, past / 3}, random);
    }
  }
}

// Scores far apart: the softmax must not overflow, and one entry takes all.
TEST_P(AttendTileKernel, LargeScores) {
  Random random(4);
  for (const float size : {0.0f, 50.0f, 1000.0f}) {
    check({CacheFormat::kF32, 20, 4, 64, 100, 0, 13, size}, random);
    check({CacheFormat::kF32, 20, 4, 64, 100, 30, 77, size}, random);
  }
}

TEST_P(AttendTileKernel, GiveARowTheSameBitsInAnyTile) {
  Random random(5);
  for (const int64_t window : {0, 7, 90}) {
    for (const int64_t group : {1, 4, 7}) {
      for (const int64_t head_dim : {20, 64}) {
        const Case c{CacheFormat::kF16, 70, group, head_dim, 100, window, 120};
        const Problem problem(c, random);
        const int64_t start = window > 0 ? random.below(1000) : 0;
        const std::vector<float> together = problem.run(table(), 0, c.tokens, start);
        std::vector<float> apart;
        for (int64_t first = 0, count = 1; first < c.tokens;
             first += count, count = count % 5 + 1) {
          count = std::min(count, c.tokens - first);
          const std::vector<float> rows = problem.run(table(), first, count, start);
          apart.insert(apart.end(), rows.begin(), rows.end());
        }
        ASSERT_EQ(apart.size(), together.size());
        for (size_t i = 0; i < apart.size(); ++i) {
          ASSERT_EQ(std::bit_cast<uint32_t>(apart[i]), std::bit_cast<uint32_t>(together[i]))
              << describe(c) << ", value " << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace octavo::test
