// Attention of a block of tokens: cases, and what every table's attend_tile has to fulfil.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "support/cached.h"
#include "support/random.h"

namespace octavo::test {

struct AttendCase {
  CacheFormat format = CacheFormat::kF32;
  int64_t tokens = 1, group = 1, head_dim = 16;
  int64_t past = 0;    ///< entries before the first token's own
  int64_t window = 0;  ///< the blocks hold nothing older than the first token sees
  float size = 1;      ///< of the queries

  int64_t entries() const { return past + tokens; }
};

inline std::string describe(const AttendCase& c) {
  return "format " + std::to_string(static_cast<int>(c.format)) + ", " + std::to_string(c.tokens) +
         " tokens, group " + std::to_string(c.group) + ", head_dim " + std::to_string(c.head_dim) +
         ", past " + std::to_string(c.past) + ", window " + std::to_string(c.window);
}

// A case with its numbers. The rows of q have a gap of NaN between them.
class AttendProblem {
 public:
  AttendProblem(const AttendCase& c, Random& random)
      : c_(c),
        keys_(c.format, c.head_dim, random.normals(c.entries() * c.head_dim)),
        values_(c.format, c.head_dim, random.normals(c.entries() * c.head_dim)),
        q_(random.normals(c.tokens * stride(), c.size)) {
    for (int64_t t = 0; t < c.tokens; ++t) {
      std::fill_n(q_.begin() + t * stride() + cols(), kGap, NAN);
    }
  }

  // out [count, cols] of tokens [first, first + count), the first entry being at `start`, a
  // multiple of 64 or hidden by the window; checks that nothing else is written.
  std::vector<float> run(const Kernels& table, int64_t first, int64_t count, int64_t start) const {
    const int64_t position = start + c_.past + first;
    const int64_t oldest = c_.window > 0 ? std::max<int64_t>(0, position - c_.window + 1) : 0;
    const CachedBlocks cache(c_.format, c_.head_dim, keys_, values_, start);
    const int64_t skipped = (oldest - cache.first()) / kTileKeys;
    const int64_t blocks = (position + count - 1) / kTileKeys + 1 - cache.first() / kTileKeys;
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
                             .position = position,
                             .blocks = cache.blocks().subspan(skipped, blocks - skipped),
                             .first = cache.first() + skipped * kTileKeys};
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
  static constexpr float kGuard = -12345.5f;
  int64_t cols() const { return c_.group * c_.head_dim; }
  int64_t stride() const { return cols() + kGap; }

  AttendCase c_;
  Cached keys_, values_;
  std::vector<float> q_;  // [tokens, stride]
};

/// Whether many rows of the table multiply integers of 16 bits.
bool uses_pairs(const Kernels& table);

/// Within the bound of the exact result, and of the scalar twin.
void check_attend_tile(const Kernels& table, const AttendCase& c, Random& random);

/// All tokens at once and in tiles of `least` tokens and a few more, the first entry being at
/// `start`.
void check_attend_tile_alone(const Kernels& table, const AttendCase& c, int64_t start,
                             Random& random, int64_t least = 1);

/// Bit by bit.
void expect_same_bits(const std::vector<float>& actual, const std::vector<float>& expected,
                      const AttendCase& c);

}  // namespace octavo::test
