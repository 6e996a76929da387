// Stop texts against a search in the whole text, however it is cut into pieces.
#include "text/stop_texts.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "octavo/error.hpp"
#include "support/random.h"

namespace octavo::test {
namespace {

struct Shown {
  std::string text;
  int found = -1;
  bool operator==(const Shown&) const = default;
};

Shown shown(const std::vector<std::string>& stop, const std::vector<std::string>& pieces) {
  StopTexts texts(stop);
  Shown result;
  for (const std::string& piece : pieces) result.text += texts.add(piece);
  result.text += texts.finish();
  result.found = texts.found();
  return result;
}

/// By the definition: the first begin, then the first in the list.
Shown expected(const std::vector<std::string>& stop, const std::string& text) {
  for (size_t begin = 0; begin < text.size(); ++begin) {
    for (size_t i = 0; i < stop.size(); ++i) {
      if (text.substr(begin).starts_with(stop[i])) return {text.substr(0, begin), int(i)};
    }
  }
  return {text, -1};
}

TEST(StopTextsTest, WithoutAnyAllIsShownAtOnce) {
  StopTexts texts({});
  EXPECT_EQ(texts.add("abc"), "abc");
  EXPECT_EQ(texts.add(""), "");
  EXPECT_EQ(texts.finish(), "");
  EXPECT_EQ(texts.found(), -1);
}

TEST(StopTextsTest, ABeginningIsHeldBackUntilItIsNone) {
  const std::vector<std::string> stop = {"END"};
  StopTexts texts(stop);
  EXPECT_EQ(texts.add("the E"), "the ");
  EXPECT_EQ(texts.add("N"), "");
  EXPECT_EQ(texts.add("T"), "ENT");
  EXPECT_EQ(texts.add(" EE"), " E");
  EXPECT_EQ(texts.add("N"), "");
  EXPECT_EQ(texts.found(), -1);
  EXPECT_EQ(texts.add("D and more"), "");
  EXPECT_EQ(texts.found(), 0);
  EXPECT_EQ(texts.add("nothing"), "");
  EXPECT_EQ(texts.finish(), "");
}

TEST(StopTextsTest, TheEndShowsWhatWasHeldBack) {
  EXPECT_EQ(shown({"END"}, {"the EN"}), (Shown{"the EN", -1}));
  EXPECT_EQ(shown({"abcd", "bc"}, {"abc"}), (Shown{"a", 1}));
}

TEST(StopTextsTest, TheFirstToBeginCounts) {
  EXPECT_EQ(shown({"bc", "abcd"}, {"xabcd"}), (Shown{"x", 1}));
  EXPECT_EQ(shown({"bc", "abcd"}, {"xabce"}), (Shown{"xa", 0}));
  EXPECT_EQ(shown({"a", "ab"}, {"xab"}), (Shown{"x", 0}));
  EXPECT_EQ(shown({"ab", "a"}, {"x", "a", "b"}), (Shown{"x", 0}));
  EXPECT_EQ(shown({"ab", "a"}, {"x", "a", "c"}), (Shown{"x", 1}));
}

TEST(StopTextsTest, NoneIsCutWithinACharacter) {
  const std::vector<std::string> stop = {"é!"};  // C3 A9, and è is C3 A8
  StopTexts texts(stop);
  EXPECT_EQ(texts.add("è"), "è");
  EXPECT_EQ(texts.add("é"), "");
  EXPECT_EQ(texts.add("è"), "éè");
}

TEST(StopTextsTest, AnyTextInAnyPieces) {
  Random random(11);
  const auto text_of = [&random](int64_t least, int64_t most) {
    std::string text;
    for (int64_t left = least + random.below(most - least + 1); left > 0; --left) {
      text += random.below(6) == 0 ? "é" : std::string(1, static_cast<char>('a' + random.below(2)));
    }
    return text;
  };
  int found = 0;
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> stop, pieces;
    for (int64_t left = 1 + random.below(3); left > 0; --left) stop.push_back(text_of(1, 5));
    std::string all;
    for (int64_t left = random.below(8); left > 0; --left) {
      pieces.push_back(text_of(0, 4));
      all += pieces.back();
    }
    const Shown result = shown(stop, pieces);
    ASSERT_EQ(result, expected(stop, all)) << all << " / " << testing::PrintToString(stop);
    found += result.found >= 0;
  }
  EXPECT_GT(found, 500);
  EXPECT_LT(found, 2500);
}

TEST(StopTextsTest, RefusesWhatNeverComes) {
  const std::vector<std::string> empty = {"a", ""}, broken = {"a\xC3"};
  EXPECT_THROW(StopTexts{empty}, Error);
  EXPECT_THROW(StopTexts{broken}, Error);
}

}  // namespace
}  // namespace octavo::test
