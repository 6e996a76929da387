// How the sequence is cut for a few rows, so that all threads have work with one token: at fixed
// positions, whatever the number of threads, so that a result does not depend on it.
#pragma once

#include <algorithm>
#include <cstdint>

namespace octavo {

class SequenceParts {
 public:
  /// Positions of a part for up to 8 query heads of a kv head; more have fewer, longer parts.
  static constexpr int64_t kLength = 512, kHeads = 8;

  /// What `rows` tokens from `position` on see: the positions from `oldest` to the last token's.
  SequenceParts(int64_t group, int64_t oldest, int64_t position, int64_t rows)
      : length_(length(group)), oldest_(oldest), end_(position + rows) {}

  int64_t count() const { return (end_ - 1) / length_ - oldest_ / length_ + 1; }
  int64_t begin(int64_t part) const {
    return part == 0 ? oldest_ : (oldest_ / length_ + part) * length_;
  }
  int64_t end(int64_t part) const {
    return std::min(end_, (oldest_ / length_ + part + 1) * length_);
  }

  /// Bound of count() * rows * group within `context` positions, for up to `most` rows.
  static int64_t most_rows(int64_t context, int64_t group, int64_t most) {
    return (context / length(group) + 2) * most * group;
  }

 private:
  /// Whatever the number of tokens, so that each gets the bits that it would alone.
  static int64_t length(int64_t group) { return kLength * ((group + kHeads - 1) / kHeads); }

  int64_t length_, oldest_, end_;
};

}  // namespace octavo
