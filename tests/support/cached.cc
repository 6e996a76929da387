#include "support/cached.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "quant/float16.h"
#include "support/compare.h"

namespace octavo::test {
namespace {

float entry_value(CacheFormat format, const std::byte* entry, int64_t i) {
  uint16_t bits = 0;
  float value = 0;
  switch (format) {
    case CacheFormat::kF32:
      std::memcpy(&value, entry + 4 * i, 4);
      return value;
    case CacheFormat::kF16:
      std::memcpy(&bits, entry + 2 * i, 2);
      return f16_to_f32(bits);
    case CacheFormat::kBF16:
      std::memcpy(&bits, entry + 2 * i, 2);
      return bf16_to_f32(bits);
    case CacheFormat::kQ8_0:
      std::memcpy(&bits, entry + 34 * (i / 32), 2);
      return f16_to_f32(bits) * std::bit_cast<int8_t>(entry[34 * (i / 32) + 2 + i % 32]);
  }
  return NAN;
}

}  // namespace

Cached::Cached(CacheFormat format, int64_t head_dim, std::vector<float> x) : values(std::move(x)) {
  const int64_t size = cache_entry_bytes(format, head_dim);
  const int64_t count = static_cast<int64_t>(values.size()) / head_dim;
  bytes.resize(static_cast<size_t>(count * size));
  for (int64_t n = 0; n < count; ++n) {
    float* row = values.data() + n * head_dim;
    std::byte* entry = bytes.data() + n * size;
    scalar_kernels().to_cache(format, row, entry, head_dim);
    for (int64_t i = 0; i < head_dim; ++i) row[i] = entry_value(format, entry, i);
  }
}

CachedBlocks::CachedBlocks(CacheFormat format, int64_t head_dim, const Cached& keys,
                           const Cached& values, int64_t start)
    : first_(start / kTileKeys * kTileKeys) {
  const int64_t entry = cache_entry_bytes(format, head_dim),
                count = static_cast<int64_t>(keys.bytes.size()) / entry;
  const int64_t blocks = (start + count - first_ + kTileKeys - 1) / kTileKeys;
  const int64_t key_bytes = kv_keys_bytes(format, head_dim),
                bytes = key_bytes + kv_values_bytes(format, head_dim);
  memory_.resize(static_cast<size_t>(blocks * bytes));
  const Cached hidden(format, head_dim, std::vector<float>(static_cast<size_t>(head_dim), 1e4f));
  for (int64_t b = 0; b < blocks; ++b) {
    std::byte* block = memory_.data() + b * bytes;
    blocks_.push_back({block, block + key_bytes});
    for (int64_t slot = 0; slot < kTileKeys; ++slot) {
      const int64_t n = first_ + b * kTileKeys + slot - start;
      const bool held = n >= 0 && n < count;
      put_key(format, head_dim, held ? keys.bytes.data() + n * entry : hidden.bytes.data(), slot,
              block);
      put_value(format, head_dim, held ? values.bytes.data() + n * entry : hidden.bytes.data(),
                slot, block + key_bytes);
    }
  }
}

// A low part is 2^-8 of its number at most, what two parts miss of a float 2^-17; the cache's
// numbers are whole in theirs.
ProductError split_product_error(CacheFormat format) {
  switch (format) {
    case CacheFormat::kF32:
      return {};
    case CacheFormat::kF16:
    case CacheFormat::kQ8_0:
      return {0x1p-17 + 0x1p-16, 3};
    case CacheFormat::kBF16:
      return {0x1p-17, 2};
  }
  return {};
}

// Half a unit of each number. Scores: a key's unit is its norm over 32 dimensions / 32700, a
// query's its norm / 32767 at most; over n numbers that is sqrt(n) / 2 units of a norm. Values:
// half of 1 / 16383. Weights, over a group of 32: half of 1 / 131040 of their sum or of 1 / 32767
// of a block's largest, in each of two groups.
ProductError pair_product_error(int64_t head_dim) {
  const double score =
      std::sqrt(32.0) / 2 / 32700 + std::sqrt(static_cast<double>(head_dim)) / 2 / 32767;
  const double weights = 32.0 / 2 * (1.0 / 131040 + 2.0 / 32767);
  return {1.001 * score, 2, 0.5 / 16383 + 1.001 * weights};
}

Matrix attention_bound(const Matrix& q, const Matrix& keys, const Matrix& values,
                       ProductError error) {
  const int64_t head_dim = keys.cols();
  const double largest_key = keys.rowwise().norm().maxCoeff();
  const double score_product = error.relative + sum_error(error.products * head_dim);
  const double value_product =
      error.relative + error.rounding + sum_error(error.products * keys.rows());
  Matrix bound(q.rows(), q.cols());
  for (int64_t r = 0; r < q.rows(); ++r) {
    for (int64_t g = 0; g < q.cols(); g += head_dim) {
      const double norm = q.block(r, g, 1, head_dim).norm();
      const double score_error =
          norm * largest_key / std::sqrt(static_cast<double>(head_dim)) * score_product;
      const double relative = std::expm1(2 * score_error) + 1e-6 + value_product;
      bound.block(r, g, 1, head_dim).setConstant(relative * values.cwiseAbs().maxCoeff());
    }
  }
  return bound;
}

// Half a unit of each of 32 numbers, of which the largest is 127 units: sqrt(32) / 254 of a block's
// norm at most. The weights' units are 127 times as large beside a value as beside its scale; the
// largest weights of all blocks add up to 1 at most.
Matrix quantized_attention_bound(const Matrix& q, const Matrix& keys, const Matrix& values) {
  const int64_t head_dim = keys.cols();
  const double unit = 1.0 / (2 * 16383.0);
  Matrix bound(q.rows(), q.cols());
  for (int64_t r = 0; r < q.rows(); ++r) {
    for (int64_t g = 0; g < q.cols(); g += head_dim) {
      const double score_error = std::sqrt(32.0) / 254 * q.block(r, g, 1, head_dim).norm() *
                                 keys.rowwise().norm().maxCoeff() /
                                 std::sqrt(static_cast<double>(head_dim));
      const double relative = std::expm1(2 * score_error) + 64 * unit;
      bound.block(r, g, 1, head_dim).setConstant(relative * values.cwiseAbs().maxCoeff());
    }
  }
  return bound;
}

}  // namespace octavo::test
