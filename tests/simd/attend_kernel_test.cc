// Attention of one token against the cache, every table against double precision.
#include <gtest/gtest.h>

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
  CacheFormat format;
  int64_t group, head_dim, count, split;  ///< split: entries of the first run; 0: one run
  float size;                             ///< of the queries
};

class AttendKernel : public KernelTest {
 protected:
  void check(const Case& c, Random& random) const {
    const Cached keys(c.format, random.normals(c.count * c.head_dim));
    const Cached values(c.format, random.normals(c.count * c.head_dim));
    const std::vector<float> q = random.normals(c.group * c.head_dim, c.size);
    const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(c.head_dim)));
    const size_t cut =
        keys.bytes.size() / static_cast<size_t>(c.count) * static_cast<size_t>(c.split);
    std::vector<KvRun> runs;
    if (c.split > 0) runs.push_back({keys.bytes.data(), values.bytes.data(), c.split});
    runs.push_back({keys.bytes.data() + cut, values.bytes.data() + cut, c.count - c.split});
    std::vector<float> scores(static_cast<size_t>(c.group * c.count) + 1, kGuard);
    std::vector<float> out(static_cast<size_t>(c.group * c.head_dim) + 1, kGuard);
    table().attend(c.format, q.data(), c.group, c.head_dim, scale, runs, scores.data(), out.data());
    EXPECT_EQ(scores.back(), kGuard);
    EXPECT_EQ(out.back(), kGuard);
    out.pop_back();

    const Matrix mq = to_matrix(q, 1, c.group * c.head_dim);
    const Matrix mk = to_matrix(keys.values, c.count, c.head_dim);
    const Matrix mv = to_matrix(values.values, c.count, c.head_dim);
    const ReferenceAttention shape{c.group, 1, c.head_dim, 0};
    const Matrix expected = reference_attention(mq, mk, mv, shape, c.count - 1);
    EXPECT_TRUE(
        within(to_matrix(out, 1, c.group * c.head_dim), expected, attention_bound(mq, mk, mv)))
        << "group " << c.group << ", head_dim " << c.head_dim << ", " << c.count
        << " entries, split at " << c.split << ", format " << static_cast<int>(c.format);
  }
};
OCTAVO_FOR_ALL_TABLES(AttendKernel);

TEST_P(AttendKernel, AllShapes) {
  Random random(1);
  for (const CacheFormat format : {CacheFormat::kF32, CacheFormat::kF16, CacheFormat::kBF16}) {
    for (const int64_t head_dim : {2, 6, 16, 20, 32, 80, 128}) {
      for (int64_t group = 1; group <= 8; ++group) {
        check({format, group, head_dim, 1 + random.below(70), 0, 1}, random);
        const int64_t count = 2 + random.below(70);
        check({format, group, head_dim, count, 1 + random.below(count - 1), 1}, random);
      }
    }
  }
}

TEST_P(AttendKernel, FewAndManyEntries) {
  Random random(2);
  for (const int64_t count : {1, 2, 7, 8, 15, 16, 17, 33, 500, 2000}) {
    check({CacheFormat::kF16, 3, 32, count, count / 2, 1}, random);
  }
}

// Scores far apart: the softmax must not overflow, and one entry takes all.
TEST_P(AttendKernel, LargeScores) {
  Random random(3);
  for (const float size : {0.0f, 50.0f, 1000.0f}) {
    check({CacheFormat::kF32, 4, 64, 40, 13, size}, random);
  }
}

}  // namespace
}  // namespace octavo::test
