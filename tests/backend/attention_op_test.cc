// Op conformance: attention with its cache, for every backend.
#include "support/attention_op.h"

namespace octavo::test {
namespace {

OCTAVO_FOR_ALL_BACKENDS(AttentionOp);

const std::vector<std::vector<int64_t>> kChunkings = {
    {40}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {7, 1, 8, 3, 1, 9, 2}, {1, 40, 1, 40}};

TEST_P(AttentionOp, EveryGroupingOfHeads) {
  Random random(1);
  for (const auto& [heads, kv_heads] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 1}, {4, 2}, {8, 1}, {6, 3}, {5, 5}, {7, 1}, {8, 2}, {32, 8}}) {
    for (const int64_t head_dim : {2, 6, 16, 32, 80, 128}) {
      if (heads * head_dim > kMostCols) continue;
      const ReferenceAttention shape{heads, kv_heads, head_dim, 0};
      run({shape, KvType::kF32, kChunkings[static_cast<size_t>(random.below(4))]}, random);
    }
  }
}

TEST_P(AttentionOp, EveryCacheFormat) {
  Random random(2);
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kQ8_0}) {
    for (const auto& chunks : kChunkings) {
      run({{4, 2, 16, 0}, type, chunks}, random);
      run({{8, 2, 32, 5}, type, chunks}, random);
    }
  }
}

// A prompt in blocks, in uneven pieces and token by token: rounding apart, the same results.
TEST_P(AttentionOp, PromptsInPiecesAndWhole) {
  Random random(8);
  const std::vector<std::vector<int64_t>> prompts = {
      {64, 46}, {1, 33, 5, 64, 7}, std::vector<int64_t>(110, 1)};
  for (const int64_t group : {1, 2, 4, 7}) {
    for (const int64_t head_dim : {8, 20, 64, 128}) {
      for (const int64_t window : {0, 70}) {
        if (is_emulated() && (group != 4 || head_dim % 64 == 8 || head_dim == 128)) continue;
        const ReferenceAttention shape{group, 1, head_dim, window};
        const KvType type = head_dim == 64 ? KvType::kF16 : KvType::kF32;
        run({shape, type, prompts[1]}, random);
        const Matrix whole = feed({shape, type, prompts[0]}, 9);
        for (const auto& chunks : prompts) {
          const AttentionCase c{shape, type, chunks};
          // A few rows of an f16 cache meet whole queries, many rows the sum of two bf16 parts or
          // 16-bit integers: less than the rounding of the cache moves them.
          const double limit =
              (type == KvType::kF16 ? 0x1p-13 : 1e-6) + device_error(type, kMostRows);
          ASSERT_LT(relative_rms(feed(c, 9), whole), limit) << describe(c, 0, chunks.front());
        }
      }
    }
  }
}

// Windows shorter than, as long as, and longer than what is fed at once; the ring is used several
// times over.
TEST_P(AttentionOp, SlidingWindows) {
  Random random(3);
  for (const int64_t window : {1, 2, 3, 8, 17, 40, 64, 100}) {
    for (const auto& chunks : kChunkings) run({{4, 2, 16, window}, KvType::kF32, chunks}, random);
    std::vector<int64_t> many(60, 1);
    for (size_t i = 0; i < many.size(); i += 3) many[i] = 1 + random.below(kMostRows);
    run({{2, 1, 8, window}, KvType::kF32, many}, random);
  }
}

TEST_P(AttentionOp, LayersDoNotMix) {
  Random random(4);
  for (const int64_t window : {0, 4}) {
    run({{4, 2, 16, window}, KvType::kF16, {5, 1, 9, 1, 1}, 3}, random);
  }
}

TEST_P(AttentionOp, FarPositions) {
  Random random(5);
  const std::vector<int64_t> chunks(is_emulated() ? 5 : kMostContext / kMostRows, kMostRows);
  for (const int64_t window : {0, 50, 1000}) {
    AttentionCase c{{2, 1, 16, window}, KvType::kF32, chunks};
    run(c, random, true);
    c.theta = 1e6;
    c.chunks.assign(is_emulated() ? 5 : 40, 61);
    c.chunks.push_back(1);
    run(c, random, true);
  }
}

// Few rows take the sequence in parts, at borders that windows and chunks do not know.
TEST_P(AttentionOp, PartsOfTheSequence) {
  Random random(11);
  std::vector<int64_t> chunks(is_emulated() ? 12 : kMostContext / kMostRows - 30, kMostRows);
  for (const int64_t few : {1, 3, 7, 1, 2, 5, 1}) chunks.push_back(few);
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8_0}) {
    if (is_emulated() && type != KvType::kF16) continue;
    for (const auto& [heads, window] :
         std::vector<std::pair<int64_t, int64_t>>{{1, 0}, {2, 0}, {8, 0}, {2, 700}, {8, 1200}}) {
      run({{heads, heads == 2 ? 2 : 1, 16, window}, type, chunks}, random, true);
    }
  }
}

}  // namespace
}  // namespace octavo::test
