// Op conformance: what a cache holds, gives away and shares.
#include "support/attention_op.h"

namespace octavo::test {
namespace {

class KvCacheOp : public AttentionOp {};
OCTAVO_FOR_ALL_BACKENDS(KvCacheOp);

// A conversation taken back: positions are written again with other keys.
TEST_P(KvCacheOp, PositionsCanBeWrittenAgain) {
  Random random(6);
  const AttentionCase c{{4, 2, 16, 0}, KvType::kF32, {}};
  const auto backend = make_backend();
  const KvCachePtr cache = make_cache(*backend, c);
  AttentionHistory history(c.shape, c.theta);
  for (const auto& [position, rows] :
       std::vector<std::pair<int64_t, int64_t>>{{0, 30}, {30, 5}, {12, 7}, {19, 1}, {0, 9}}) {
    step(*backend, c, *cache, 0, history, position, rows, true, random);
  }
}

TEST_P(KvCacheOp, CacheSaysWhatItHolds) {
  Random random(7);
  const int64_t written = is_emulated() ? 150 : 1000;
  for (const KvType type : {KvType::kF32, KvType::kF16}) {
    const AttentionCase c{{4, 2, 16, 0}, type, {}, 2};
    const auto backend = make_backend();
    const KvCachePtr cache = make_cache(*backend, c);
    EXPECT_EQ(cache->shape().head_dim, 16);
    EXPECT_EQ(cache->shape().context, kMostContext);
    std::vector<AttentionHistory> layers(2, AttentionHistory(c.shape, c.theta));
    for (int64_t position = 0; position < written; position += 50) {
      for (int64_t layer = 0; layer < 2; ++layer) {
        step(*backend, c, *cache, layer, layers[static_cast<size_t>(layer)], position, 50, false,
             random);
      }
    }
    const int64_t entry = 2 * 2 * 16 * (type == KvType::kF32 ? 4 : 2);  // key and value, 2 kv heads
    EXPECT_GE(cache->bytes(), 2 * written * entry);
    EXPECT_LE(cache->bytes(), 2 * kMostContext * entry);
  }
}

// What a session file keeps of a cache.
TEST_P(KvCacheOp, EntriesCanBeReadAndWrittenBack) {
  Random random(8);
  for (const auto& [window, type] : std::vector<std::pair<int64_t, KvType>>{
           {0, KvType::kF16}, {20, KvType::kF16}, {0, KvType::kQ8_0}, {20, KvType::kQ8_0}}) {
    const AttentionCase c{{4, 2, 16, window}, type, {}, 2};
    const auto backend = make_backend();
    const KvCachePtr cache = make_cache(*backend, c), copy = make_cache(*backend, c);
    std::vector<AttentionHistory> layers(2, AttentionHistory(c.shape, c.theta));
    const int64_t first = window > 0 ? 150 - window : 0, count = 150 - first;
    for (int64_t layer = 0; layer < 2; ++layer) {
      for (int64_t position = 0; position < 150; position += 50) {
        step(*backend, c, *cache, layer, layers[static_cast<size_t>(layer)], position, 50, false,
             random);
      }
      std::vector<std::byte> entries(static_cast<size_t>(count * kv_entry_bytes(cache->shape())));
      cache->read(layer, first, count, entries);
      copy->write(layer, first, count, entries);
      std::vector<std::byte> again(entries.size());
      copy->read(layer, first, count, again);
      EXPECT_EQ(entries, again);
    }
    for (int64_t layer = 0; layer < 2; ++layer) {
      step(*backend, c, *copy, layer, layers[static_cast<size_t>(layer)], 150, 3, true, random);
    }
  }
}

TEST_P(KvCacheOp, ForksGoTheirOwnWays) {
  Random random(9);
  for (const int64_t window : {0, 20}) {
    const AttentionCase c{{4, 2, 16, window}, KvType::kF32, {}};
    const auto backend = make_backend();
    const KvCachePtr cache = make_cache(*backend, c);
    AttentionHistory history(c.shape, c.theta);
    const auto go_on = [&](KvCache& held, AttentionHistory& past, int64_t position, int64_t end) {
      for (; position < end; position += 10) {
        step(*backend, c, held, 0, past, position, 10, true, random);
      }
    };
    go_on(*cache, history, 0, 140);
    KvCachePtr fork = cache->fork();
    AttentionHistory other = history;
    go_on(*cache, history, 140, 150);
    go_on(*fork, other, 140, 230);
    go_on(*cache, history, 150, 250);
    fork.reset();
    go_on(*cache, history, 250, 260);
  }
}

}  // namespace
}  // namespace octavo::test
