// Keys and values in the cache's formats, and how far attention over them may be from the exact
// one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "simd/kernels.h"
#include "support/matrix.h"

namespace octavo::test {

/// Keys or values [count, head_dim] as entries of the cache, with the values that they really
/// stand for.
struct Cached {
  Cached(CacheFormat format, int64_t head_dim, std::vector<float> x);
  std::vector<std::byte> bytes;  // [count, cache_entry_bytes]
  std::vector<float> values;     // [count, head_dim]
};

/// Entries at positions start, start + 1, ... as blocks. Every other position of the blocks holds
/// large numbers, which nobody may look at.
class CachedBlocks {
 public:
  CachedBlocks(CacheFormat format, int64_t head_dim, const Cached& keys, const Cached& values,
               int64_t start);
  int64_t first() const { return first_; }
  std::span<const KvBlock> blocks() const { return blocks_; }

 private:
  int64_t first_;
  std::vector<std::byte> memory_;
  std::vector<KvBlock> blocks_;
};

/// How products inside attention may be off, relative to each, and how many make one.
struct ProductError {
  double relative = 0;
  int64_t products = 1;
  double rounding = 0;  ///< of weights and values, relative to the largest value
};
/// Both sides as the sum of two bf16 numbers, without the product of the low ones.
ProductError split_product_error(CacheFormat format);
/// Integers of 16 bits, as simd/attention_pairs_block-inl.h scales them.
ProductError pair_product_error(int64_t head_dim);

/// Bound of what a few rows lose against a q8_0 cache, for each value of q: queries in blocks of 32
/// bytes, and in each block of 64 positions weights in units of 1 / (2^14 - 1) of the largest
/// product with a scale. keys, values [count, head_dim].
Matrix quantized_attention_bound(const Matrix& q, const Matrix& keys, const Matrix& values);

/// Bound of attention in float32, for each value of q [rows, group * head_dim]. A score's error
/// becomes a relative error of its weight, twice (numerator and sum). keys, values [count,
/// head_dim].
Matrix attention_bound(const Matrix& q, const Matrix& keys, const Matrix& values,
                       ProductError error = {});

}  // namespace octavo::test
