// Losses by the number of tokens that were before the predicted one, in buckets that double.
#pragma once

#include <cstdint>
#include <vector>

#include "scored_text.h"

namespace octavo::cli {

class PositionLosses {
 public:
  /// A bucket of tokens with `first` to `last` tokens before them in their chunk.
  struct Bucket {
    int64_t first = 0, last = 0;
    Score here;   ///< of the bucket alone
    Score until;  ///< of all tokens to its end: a context of last + 1 tokens
  };

  /// For chunks of `context` tokens: 1 to 255 before (the first of a chunk is given), 256 to 511,
  /// 512 to 1023 and so on; the last bucket ends with the chunk.
  explicit PositionLosses(int64_t context);

  /// A token with `before` tokens before it, 1 to context - 1.
  void add(int64_t before, double loss);

  const std::vector<Bucket>& buckets() const { return buckets_; }

 private:
  std::vector<Bucket> buckets_;
};

}  // namespace octavo::cli
