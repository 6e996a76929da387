// What keys and values take: with a window no more than the window, without one what their numbers
// need.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "backend/backend.h"
#include "support/converted.h"
#include "support/files.h"
#include "support/memory.h"
#include "support/random.h"

namespace octavo::test {
namespace {

constexpr int64_t kRows = 64;  // fed at once

// Every type of cache, with the bits of a number.
struct CacheType {
  KvType type;
  double bits;
};
constexpr CacheType kCacheTypes[] = {
    {KvType::kF32, 32}, {KvType::kF16, 16}, {KvType::kBF16, 16}, {KvType::kQ8_0, 8.5}};

KvShape shape_of(int64_t layers, int64_t kv_heads, int64_t head_dim, int64_t context,
                 int64_t window, KvType type) {
  KvShape shape;
  shape.layers = layers;
  shape.kv_heads = kv_heads;
  shape.head_dim = head_dim;
  shape.context = context;
  shape.window = window;
  shape.type = type;
  return shape;
}

// Bytes that the numbers of this many positions take.
double number_bytes(const KvShape& shape, int64_t positions, double bits) {
  return static_cast<double>(2 * shape.layers * shape.kv_heads * shape.head_dim * positions) *
         bits / 8;
}

/// A cache and the ops that fill it with zeros: with a query head for each kv head.
class Filler {
 public:
  explicit Filler(const KvShape& shape)
      : cols_(shape.kv_heads * shape.head_dim),
        backend_(make_device("cpu")->backend(
            {.rows = kRows, .cols = cols_, .heads = shape.kv_heads, .context = shape.context})),
        cache_(backend_->kv_cache(shape)) {}

  const KvCache& cache() const { return *cache_; }
  /// Writes up to `position` in the first `layers` layers.
  void fill_to(int64_t position, int64_t layers) {
    const AttentionShape attention = {cache_->shape().kv_heads, 1e4};
    for (; position_ < position; position_ += kRows) {
      const int64_t rows = std::min(kRows, position - position_);
      for (int64_t layer = 0; layer < layers; ++layer) {
        backend_->attention(*q_, *k_, *v_, rows, attention, *cache_, layer, position_, *out_);
      }
    }
    position_ = position;
  }

 private:
  int64_t cols_, position_ = 0;
  std::unique_ptr<Backend> backend_;
  KvCachePtr cache_;
  // [kRows, cols_]
  ActivationPtr q_ = backend_->activation(kRows, cols_), k_ = backend_->activation(kRows, cols_),
                v_ = backend_->activation(kRows, cols_), out_ = backend_->activation(kRows, cols_);
};

// Mistral 7B's cache. A ring has room for the window behind the first of a block of new rows, so it
// is full some positions after W.
TEST(CacheMemory, Mistral7BStopsGrowingAtItsWindow) {
  const int64_t window = kIsSanitized ? 512 : 4096;
  for (const CacheType& row : kCacheTypes) {
    if (row.type == KvType::kF32) continue;  // slow, and of the same size but for the numbers
    const KvShape shape = shape_of(32, 8, 128, 32768, window, row.type);
    Filler filler(shape);
    // Positions are taken in all layers at once; feeding one is enough to see it.
    filler.fill_to(window, 1);
    const int64_t at_window = filler.cache().bytes();
    EXPECT_GE(static_cast<double>(at_window), number_bytes(shape, window, row.bits));
    filler.fill_to(window + kRows, 1);
    const int64_t full = filler.cache().bytes();
    filler.fill_to(3 * window, 1);
    EXPECT_EQ(filler.cache().bytes(), full);
    const double most = number_bytes(shape, window, row.bits) * (kIsSanitized ? 1.25 : 1.03);
    EXPECT_LE(static_cast<double>(full), most);
  }
}

// All layers for real, at a smaller window: what the system counts agrees with what the cache says.
TEST(CacheMemory, ARingTakesNoMoreMemoryOnceItIsFull) {
  if (kIsSanitized) GTEST_SKIP() << "a sanitizer's own memory would be counted";
  constexpr int64_t kWindow = 192, kSlack = 2'000'000;
  const KvShape shape = shape_of(32, 8, 128, 32768, kWindow, KvType::kF16);
  Filler filler(shape);
  const int64_t before = private_bytes();
  ASSERT_GT(before, 0) << "no RssAnon in /proc/self/status";
  filler.fill_to(kWindow + kRows, shape.layers);
  const int64_t full = private_bytes();
  EXPECT_NEAR(static_cast<double>(full - before), static_cast<double>(filler.cache().bytes()),
              kSlack);
  filler.fill_to(5 * kWindow, shape.layers);
  EXPECT_LT(private_bytes() - full, kSlack) << "cache of " << filler.cache().bytes();
}

// Mixtral's 32,768 positions: 4 GiB in f16. The first 2,048 are written and grow evenly, so 16
// times as many take 16 times as much.
TEST(CacheMemory, MixtralTakesWhatItsNumbersNeed) {
  constexpr int64_t kContext = 32768, kWritten = 2048;
  for (const CacheType& row : kCacheTypes) {
    const KvShape shape = shape_of(32, 8, 128, kContext, 0, row.type);
    const double whole = number_bytes(shape, kContext, row.bits);
    EXPECT_EQ(whole, row.bits / 4 * (1 << 30));  // in f16 4 GiB
    Filler filler(shape);
    EXPECT_EQ(filler.cache().bytes(), 0);
    for (int64_t position = 256; position <= (kIsSanitized ? 512 : kWritten); position += 256) {
      filler.fill_to(position, 1);
      const double times = static_cast<double>(kContext) / static_cast<double>(position);
      EXPECT_GE(static_cast<double>(filler.cache().bytes()) * times, whole) << position;
      EXPECT_LE(static_cast<double>(filler.cache().bytes()) * times, 1.03 * whole) << position;
    }
  }
}

// The whole length, in one small layer, by what the system counts.
TEST(CacheMemory, AFullContextOfASmallLayer) {
  if (kIsSanitized) GTEST_SKIP() << "a sanitizer's own memory would be counted";
  constexpr int64_t kContext = 32768, kSlack = 2'000'000;
  for (const CacheType& row : kCacheTypes) {
    const KvShape shape = shape_of(1, 1, 128, kContext, 0, row.type);
    Filler filler(shape);
    filler.fill_to(kRows, 1);
    const int64_t before = private_bytes();
    filler.fill_to(kContext, 1);
    const double whole = number_bytes(shape, kContext, row.bits);
    EXPECT_LE(static_cast<double>(filler.cache().bytes()), 1.03 * whole);
    EXPECT_NEAR(static_cast<double>(private_bytes() - before), whole, kSlack);
  }
}

TEST(CacheMemory, ASessionSaysWhatItsRingHolds) {
  const Converted file(test_data("tiny-mistral-swa") / "hf", Format::kF32);
  TransformerOptions options;
  options.kv_type = KvType::kF32;
  Runner runner(file.path(), options);
  const std::vector<int32_t> ids = Random(3).ids(500, 128);
  runner.logits(std::span(ids).first(8 + 64));
  const int64_t full = runner.transformer().kv_bytes();
  EXPECT_GT(full, 0);
  runner.logits(std::span(ids).subspan(8 + 64), 13);
  EXPECT_EQ(runner.transformer().kv_bytes(), full);
}

}  // namespace
}  // namespace octavo::test
