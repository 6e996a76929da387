#include "text/utf8_stream.h"

#include <gtest/gtest.h>

namespace octavo::test {
namespace {

constexpr const char* kTwoReplacements = "\xEF\xBF\xBD\xEF\xBF\xBD";

std::string decode_at_once(std::string_view bytes) {
  Utf8Stream stream;
  std::string text = stream.add(bytes);
  return text + stream.finish();
}

/// One, two, three and four bytes; the ends of each range; what is just outside them.
const std::string kMixed =
    "aé€😂 \xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF\xF0\x90\x80\x80"
    "\xF4\x8F\xBF\xBF";

TEST(Utf8StreamTest, WholeCharactersPass) {
  Utf8Stream stream;
  EXPECT_EQ(stream.add(kMixed), kMixed);
  EXPECT_EQ(stream.finish(), "");
}

TEST(Utf8StreamTest, SplitAtEveryByteGivesTheSameAndOnlyWholeCharacters) {
  const std::string damaged = kMixed + "\xE2\x82" + kMixed + "\xFF\x80" + kMixed + "\xF0\x9F";
  const std::string expected = decode_at_once(damaged);
  for (size_t first = 0; first <= damaged.size(); ++first) {
    for (size_t second = first; second <= damaged.size(); ++second) {
      Utf8Stream stream;
      std::string text;
      for (const std::string& part :
           {damaged.substr(0, first), damaged.substr(first, second - first),
            damaged.substr(second)}) {
        const std::string shown = stream.add(part);
        EXPECT_EQ(decode_at_once(shown), shown) << "not whole UTF-8 at " << first << ", " << second;
        text += shown;
      }
      ASSERT_EQ(text + stream.finish(), expected) << "split at " << first << ", " << second;
    }
  }
}

TEST(Utf8StreamTest, HoldsACharacterBackUntilItsLastByte) {
  Utf8Stream stream;
  EXPECT_EQ(stream.add("\xF0"), "");
  EXPECT_EQ(stream.add("\x9F"), "");
  EXPECT_EQ(stream.add("\x98"), "");
  EXPECT_EQ(stream.add("\x82!"), "😂!");
}

TEST(Utf8StreamTest, EachByteOfNoCharacterBecomesAReplacement) {
  EXPECT_EQ(decode_at_once("\x80"), "\xEF\xBF\xBD");
  EXPECT_EQ(decode_at_once("\xE2\x82"), kTwoReplacements);
  EXPECT_EQ(decode_at_once("\xE2\x82x"), std::string(kTwoReplacements) + "x");
  EXPECT_EQ(decode_at_once("\xC0\xAF"), kTwoReplacements);  // overlong
  EXPECT_EQ(decode_at_once("\xC1\xBF"), kTwoReplacements);
}

TEST(Utf8StreamTest, RefusesWhatIsNoCharacter) {
  for (const std::string bytes : {"\xE0\x9F\xBF",         // overlong
                                  "\xED\xA0\x80",         // surrogate
                                  "\xED\xBF\xBF",         // surrogate
                                  "\xF0\x8F\xBF\xBF",     // overlong
                                  "\xF4\x90\x80\x80",     // past U+10FFFF
                                  "\xF5\x80\x80\x80"}) {  // never a lead
    std::string expected;
    for (size_t i = 0; i < bytes.size(); ++i) expected += "\xEF\xBF\xBD";
    EXPECT_EQ(decode_at_once(bytes), expected);
  }
}

TEST(Utf8StreamTest, WhatCannotBecomeACharacterIsNotHeldBack) {
  Utf8Stream stream;
  EXPECT_EQ(stream.add("\xED\xA0"), kTwoReplacements);
  EXPECT_EQ(stream.finish(), "");
}

}  // namespace
}  // namespace octavo::test
