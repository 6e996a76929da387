// Op conformance: rows that attend in company get the bits that they get alone.
#include "support/attention_op.h"

namespace octavo::test {
namespace {

class ShortPassOp : public AttentionOp {};
OCTAVO_FOR_ALL_BACKENDS(ShortPassOp);

// The passes of speculative decoding: each row has the bits that it has alone, and what was taken
// back leaves no trace.
TEST_P(ShortPassOp, RowsOfAShortPassGetTheBitsThatTheyGetAlone) {
  const int64_t most = make_backend()->independent_rows();
  if (most < 2) GTEST_SKIP() << "skipped: rows alone only";
  std::vector<int64_t> past(33, kMostRows - 1);  // parts of 512 positions end at odd places
  std::vector<int64_t> alone = past, together = past;
  for (int64_t rows = 2; rows <= most; ++rows) {
    together.push_back(rows);
    alone.insert(alone.end(), static_cast<size_t>(rows), 1);
  }
  int64_t turn = 0;  // a window for each pair of type and heads, all four for each of either
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kQ8_0}) {
    ++turn;
    for (const auto& [heads, kv_heads] :
         std::vector<std::pair<int64_t, int64_t>>{{2, 2}, {8, 2}, {6, 2}, {24, 1}}) {
      ++turn;
      for (const int64_t window : {0, 5, 600, 2100}) {
        if (turn++ % 4 != 0) continue;
        const AttentionCase c{{heads, kv_heads, 16, window}, type, alone};
        AttentionCase other = c;
        other.chunks = together;
        ASSERT_EQ(feed(other, 12), feed(c, 12)) << describe(c, 0, most);
      }
    }
  }
}

TEST_P(ShortPassOp, PartsBeginAnywhereInAShortPass) {
  const int64_t most = make_backend()->independent_rows();
  if (most < 2) GTEST_SKIP() << "skipped: rows alone only";
  for (int64_t begin = 512 - most; begin <= 512 + 1; ++begin) {
    std::vector<int64_t> past(static_cast<size_t>(begin / 50), 50);
    past.push_back(begin % 50);
    std::vector<int64_t> together = past, alone = past;
    together.push_back(most);
    alone.insert(alone.end(), static_cast<size_t>(most), 1);
    for (const int64_t window : {0, 300, 505}) {
      const AttentionCase c{{8, 2, 32, window}, KvType::kF16, alone};
      AttentionCase other = c;
      other.chunks = together;
      ASSERT_EQ(feed(other, 13), feed(c, 13)) << describe(c, begin, most);
    }
  }
}

}  // namespace
}  // namespace octavo::test
