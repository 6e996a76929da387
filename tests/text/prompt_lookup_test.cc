// Drafts out of the text itself, against a plain search.
#include "text/prompt_lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "support/random.h"

namespace octavo::test {
namespace {

using testing::ElementsAre;

PromptLookup lookup_of(std::vector<int32_t> ids) {
  PromptLookup lookup;
  lookup.assign(ids);
  return lookup;
}

std::vector<int32_t> drafted(const PromptLookup& lookup, int64_t count) {
  std::vector<int32_t> ids;
  lookup.draft(lookup.find(), count, ids);
  return ids;
}

/// The plainly right twin, among the latest places of the newest pair.
TokenMatch search(const std::vector<int32_t>& ids, int places) {
  TokenMatch best;
  const auto count = static_cast<int64_t>(ids.size());
  for (int64_t other = count - 2; other > 0 && places > 0; --other) {
    int64_t length = 0;
    while (length < PromptLookup::kLongest && length <= other &&
           ids[static_cast<size_t>(other - length)] == ids[static_cast<size_t>(count - 1 - length)])
      ++length;
    if (length < PromptLookup::kShortest) continue;
    --places;
    if (length > best.length) best = {length, other + 1};
  }
  return best;
}

TEST(PromptLookupTest, FindsWhatFollowedTheSameTokens) {
  const PromptLookup lookup = lookup_of({1, 2, 3, 4, 5, 9, 2, 3});
  EXPECT_EQ(lookup.find().length, 2);
  EXPECT_EQ(lookup.find().next, 3);
  EXPECT_THAT(drafted(lookup, 3), ElementsAre(4, 5, 9));
}

TEST(PromptLookupTest, ALongerMatchIsBetterThanALaterOne) {
  EXPECT_THAT(drafted(lookup_of({7, 8, 9, 1, 0, 8, 9, 2, 7, 8, 9}), 2), ElementsAre(1, 0));
  EXPECT_THAT(drafted(lookup_of({8, 9, 1, 0, 8, 9, 2, 7, 8, 9}), 2), ElementsAre(2, 7));
}

TEST(PromptLookupTest, ARepetitionGoesOn) {
  EXPECT_THAT(drafted(lookup_of({5, 6, 7, 5, 6, 7, 5, 6, 7, 5}), 7),
              ElementsAre(6, 7, 5, 6, 7, 5, 6));
  EXPECT_THAT(drafted(lookup_of({4, 4, 4}), 5), ElementsAre(4, 4, 4, 4, 4));
}

TEST(PromptLookupTest, NothingWithoutAMatch) {
  for (const std::vector<int32_t>& ids :
       {std::vector<int32_t>{}, {1}, {1, 1}, {1, 2, 3, 4}, {1, 2, 3, 2}}) {
    EXPECT_EQ(lookup_of(ids).find().length, 0);
  }
}

TEST(PromptLookupTest, AgreesWithASearch) {
  Random random(1);
  for (const int64_t vocab : {2, 3, 10, 200}) {
    PromptLookup lookup;
    std::vector<int32_t> ids;
    for (int i = 0; i < 1500; ++i) {
      // Stretches that are copied, so that there are long matches too.
      const bool copies = ids.size() > 50 && random.below(20) == 0;
      const int64_t from = copies ? random.below(static_cast<int64_t>(ids.size()) - 40) : 0;
      for (int64_t k = 0; k < (copies ? 35 : 1); ++k) {
        ids.push_back(copies ? ids[static_cast<size_t>(from + k)]
                             : static_cast<int32_t>(random.below(vocab)));
        lookup.add(ids.back());
        const TokenMatch expected = search(ids, 32), found = lookup.find();
        ASSERT_EQ(found.length, expected.length);
        ASSERT_EQ(found.next, expected.next);
      }
    }
  }
}

TEST(PromptLookupTest, AssignKeepsWhatItHoldsOrBeginsAnew) {
  PromptLookup lookup = lookup_of({1, 2, 3, 1});
  lookup.assign(std::vector<int32_t>{1, 2, 3, 1, 2});
  EXPECT_THAT(drafted(lookup, 1), ElementsAre(3));
  lookup.assign(std::vector<int32_t>{4, 2, 6, 4, 2});
  EXPECT_THAT(drafted(lookup, 1), ElementsAre(6));
  lookup.assign(std::vector<int32_t>{4, 2});
  EXPECT_EQ(lookup.size(), 2);
  EXPECT_EQ(lookup.find().length, 0);
}

}  // namespace
}  // namespace octavo::test
