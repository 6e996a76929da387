// Attention of one token against the cache, every table against double precision.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "quant/float16.h"
#include "support/compare.h"
#include "support/kernel_tables.h"
#include "support/random.h"
#include "support/reference_ops.h"

namespace octavo::test {
namespace {

constexpr float kGuard = -12345.5f;

float narrowed(CacheFormat format, float value) {
  switch (format) {
    case CacheFormat::kF32:
      return value;
    case CacheFormat::kF16:
      return f16_to_f32(f32_to_f16(value));
    case CacheFormat::kBF16:
      return bf16_to_f32(f32_to_bf16(value));
  }
  return NAN;
}

// Keys or values in the cache's format, with the values that they really stand for.
struct Cached {
  Cached(CacheFormat format, std::vector<float> x)
      : bytes((format == CacheFormat::kF32 ? 4 : 2) * x.size()), values(std::move(x)) {
    scalar_kernels().to_cache(format, values.data(), bytes.data(),
                              static_cast<int64_t>(values.size()));
    for (float& value : values) value = narrowed(format, value);
  }
  std::vector<std::byte> bytes;
  std::vector<float> values;
};

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
    EXPECT_TRUE(within(to_matrix(out, 1, c.group * c.head_dim), expected, bound(c, mq, mk, mv)))
        << "group " << c.group << ", head_dim " << c.head_dim << ", " << c.count
        << " entries, split at " << c.split << ", format " << static_cast<int>(c.format);
  }

 private:
  // A score's error becomes a relative error of its weight, twice (numerator and sum).
  static Matrix bound(const Case& c, const Matrix& q, const Matrix& keys, const Matrix& values) {
    const double largest_key = keys.rowwise().norm().maxCoeff();
    Matrix bound(1, q.cols());
    for (int64_t g = 0; g < c.group; ++g) {
      const double norm = q.middleCols(g * c.head_dim, c.head_dim).norm();
      const double score_error =
          norm * largest_key / std::sqrt(static_cast<double>(c.head_dim)) * sum_error(c.head_dim);
      const double relative = 2 * score_error + 1e-6 + sum_error(c.count);
      bound.middleCols(g * c.head_dim, c.head_dim)
          .setConstant(relative * values.cwiseAbs().maxCoeff());
    }
    return bound;
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
