// Op conformance: entries that move to earlier positions, against keys computed there.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "quant/block.h"
#include "quant/float16.h"
#include "support/backend_fixture.h"
#include "support/random.h"

namespace octavo::test {
namespace {

constexpr int64_t kHeads = 2, kHeadDim = 16, kLayers = 2, kCols = kHeads * kHeadDim;

/// Keys and values of `positions` tokens in each layer.
struct Tokens {
  explicit Tokens(int64_t count) {
    Random random(5);
    for (int64_t layer = 0; layer < kLayers; ++layer) {
      k.push_back(random.normals(count * kCols));
      v.push_back(random.normals(count * kCols));
    }
  }
  std::vector<std::vector<float>> k, v;  ///< [layers][count, kCols]
};

/// The numbers that a cache holds at positions [first, first + count): [count, 2, kCols].
std::vector<float> numbers(const KvCache& cache, int64_t layer, int64_t first, int64_t count) {
  std::vector<std::byte> bytes(static_cast<size_t>(count * kv_entry_bytes(cache.shape())));
  cache.read(layer, first, count, bytes);
  std::vector<float> values(static_cast<size_t>(count * 2 * kCols));
  if (cache.shape().type == KvType::kF32) {
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  if (cache.shape().type == KvType::kQ8_0) {
    static_assert(kHeadDim <= 32, "a head is one block");
    for (size_t i = 0; i < values.size(); ++i) {
      BlockQ8_0 block;
      std::memcpy(&block, bytes.data() + i / kHeadDim * sizeof block, sizeof block);
      values[i] = f16_to_f32(block.d) * block.qs[i % kHeadDim];
    }
    return values;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t bits = 0;
    std::memcpy(&bits, bytes.data() + 2 * i, sizeof bits);
    values[i] = cache.shape().type == KvType::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
  }
  return values;
}

/// The largest number of the head that number i belongs to.
double largest_of_head(const std::vector<float>& values, size_t i) {
  double largest = 0;
  for (size_t at = i / kHeadDim * kHeadDim; at < (i / kHeadDim + 1) * kHeadDim; ++at) {
    largest = std::max(largest, std::abs(double{values[at]}));
  }
  return largest;
}

class ShiftOp : public BackendTest {
 protected:
  static constexpr double kTheta = 1e4;

  static KvCachePtr make_cache(Backend& backend, KvType type, int64_t window) {
    return backend.kv_cache({kLayers, kHeads, kHeadDim, kMostContext, window, type});
  }
  /// Tokens [first, end) to positions from `position` on.
  static void append(Backend& backend, KvCache& cache, const Tokens& tokens, int64_t first,
                     int64_t end, int64_t position) {
    for (int64_t at = first; at < end; at += kMostRows) {
      const int64_t rows = std::min(kMostRows, end - at);
      for (size_t layer = 0; layer < kLayers; ++layer) {
        const auto part = [&](const std::vector<float>& all) {
          return upload(backend,
                        std::span(all).subspan(static_cast<size_t>(at * kCols),
                                               static_cast<size_t>(rows * kCols)),
                        kCols);
        };
        const ActivationPtr q = part(tokens.k[layer]), k = part(tokens.k[layer]),
                            v = part(tokens.v[layer]), out = backend.activation(kMostRows, kCols);
        AttentionShape shape;
        shape.heads = kHeads;
        shape.rope_theta = kTheta;
        backend.attention(*q, *k, *v, rows, shape, cache, static_cast<int64_t>(layer),
                          position + at - first, *out);
      }
    }
  }
  /// Positions [first, first + count) of both caches hold the same up to rounding of the keys.
  static void expect_alike(const KvCache& moved, const KvCache& anew, int64_t first,
                           int64_t count) {
    const KvType type = moved.shape().type;
    // Each key was rounded before it turned, which keeps a pair's length, and after, as was the
    // new one.
    const double unit = type == KvType::kF32 ? 0x1p-22 : type == KvType::kF16 ? 0x1p-11 : 0x1p-8;
    constexpr int64_t kHalf = kHeadDim / 2;
    for (int64_t layer = 0; layer < kLayers; ++layer) {
      const std::vector<float> a = numbers(moved, layer, first, count),
                               b = numbers(anew, layer, first, count);
      for (size_t i = 0; i < a.size(); ++i) {
        const bool is_key = i % (2 * kCols) < kCols;
        const size_t other = i % kHeadDim < kHalf ? i + kHalf : i - kHalf;
        double length = std::hypot(double{b[i]}, double{b[other]});
        // A block's step follows from its largest number.
        if (type == KvType::kQ8_0) length = 2 * largest_of_head(b, i);
        ASSERT_NEAR(a[i], b[i], is_key ? 3.01 * unit * length : 0) << "number " << i;
      }
    }
  }
};
OCTAVO_FOR_ALL_BACKENDS(ShiftOp);

TEST_P(ShiftOp, KeysTurnToTheirNewPositions) {
  const int64_t count = is_emulated() ? 300 : 1500;  // a card in software is slow
  const Tokens tokens(count);
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kQ8_0}) {
    for (const int64_t by : {int64_t{1}, int64_t{63}, int64_t{64}, count / 2 - 50}) {
      const auto backend = make_backend();
      const KvCachePtr cache = make_cache(*backend, type, 0), anew = make_cache(*backend, type, 0);
      append(*backend, *cache, tokens, 0, count, 0);
      backend->shift(*cache, 4 + by, count, by, kTheta);
      append(*backend, *anew, tokens, 0, 4, 0);
      append(*backend, *anew, tokens, 4 + by, count, 4);
      expect_alike(*cache, *anew, 0, count - by);
    }
  }
}

TEST_P(ShiftOp, WithinARing) {
  const int64_t count = is_emulated() ? 400 : 1500;
  const Tokens tokens(count);
  constexpr int64_t kWindow = 100;
  for (const int64_t by : {int64_t{1}, int64_t{50}, int64_t{128}, int64_t{192}, count - 100}) {
    const auto backend = make_backend();
    const KvCachePtr cache = make_cache(*backend, KvType::kF16, kWindow),
                     anew = make_cache(*backend, KvType::kF16, kWindow);
    append(*backend, *cache, tokens, 0, count, 0);
    backend->shift(*cache, count - kWindow, count, by, kTheta);
    append(*backend, *anew, tokens, by, count, 0);
    expect_alike(*cache, *anew, count - by - kWindow, kWindow);
  }
}

TEST_P(ShiftOp, AForkIsLeftAsItWas) {
  const Tokens tokens(300);
  const auto backend = make_backend();
  const KvCachePtr cache = make_cache(*backend, KvType::kF16, 0),
                   untouched = make_cache(*backend, KvType::kF16, 0);
  append(*backend, *cache, tokens, 0, 300, 0);
  append(*backend, *untouched, tokens, 0, 300, 0);
  const std::unique_ptr<KvCache> fork = cache->fork();
  backend->shift(*cache, 100, 300, 90, kTheta);
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    EXPECT_EQ(numbers(*fork, layer, 0, 300), numbers(*untouched, layer, 0, 300));
  }
}

}  // namespace
}  // namespace octavo::test
