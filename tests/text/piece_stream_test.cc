#include "text/piece_stream.h"

#include <gtest/gtest.h>

#include "support/files.h"

namespace octavo::test {
namespace {

/// A vocabulary of a few pieces under each rule for leading spaces.
class SmallTokenizer final : public Tokenizer {
 public:
  explicit SmallTokenizer(LeadingSpace rule) : rule_(rule) {}
  int32_t size() const override { return static_cast<int32_t>(pieces_.size()); }
  std::vector<int32_t> encode(std::string_view) const override { return {}; }
  Piece piece(int32_t id) const override { return pieces_.at(static_cast<size_t>(id)); }
  LeadingSpace leading_space() const override { return rule_; }

 private:
  LeadingSpace rule_;
  std::vector<Piece> pieces_ = {
      {PieceKind::kUnknown, "<unk>", " ⁇ "}, {PieceKind::kControl, "<s>", ""},
      {PieceKind::kText, "▁", " "},          {PieceKind::kText, "▁hello", " hello"},
      {PieceKind::kText, "y", "y"},          {PieceKind::kByte, "<0xE2>", "\xE2"},
      {PieceKind::kByte, "<0x82>", "\x82"},  {PieceKind::kByte, "<0xAC>", "\xAC"},
  };
};

enum Id : int32_t { kUnknown, kBos, kSpace, kHello, kY, kE2, k82, kAC };

std::string text_of(LeadingSpace rule, const std::vector<int32_t>& ids, bool at_start = true) {
  const SmallTokenizer tokenizer(rule);
  PieceStream stream(tokenizer, at_start);
  std::string text;
  for (const int32_t id : ids) text += stream.add(id);
  return text + stream.finish();
}

TEST(PieceStreamTest, DropsTheSpaceThatEncodingPutInFront) {
  EXPECT_EQ(text_of(LeadingSpace::kDropOne, {kHello, kHello}), "hello hello");
  EXPECT_EQ(text_of(LeadingSpace::kDropOne, {kBos, kHello}), "hello");
  EXPECT_EQ(text_of(LeadingSpace::kDropOne, {kSpace, kHello}), " hello");
  EXPECT_EQ(text_of(LeadingSpace::kDropOne, {kY, kHello}), "y hello");
  EXPECT_EQ(text_of(LeadingSpace::kDropAll, {kSpace, kSpace, kHello}), "hello");
  EXPECT_EQ(text_of(LeadingSpace::kDropAll, {kY, kSpace, kHello}), "y  hello");
  EXPECT_EQ(text_of(LeadingSpace::kKeep, {kBos, kHello}), " hello");
}

TEST(PieceStreamTest, ContinuationKeepsItsSpace) {
  EXPECT_EQ(text_of(LeadingSpace::kDropOne, {kHello}, false), " hello");
  EXPECT_EQ(text_of(LeadingSpace::kDropAll, {kSpace, kHello}, false), "  hello");
}

TEST(PieceStreamTest, UnknownKeepsItsSpaces) {
  EXPECT_EQ(text_of(LeadingSpace::kDropOne, {kUnknown, kHello}), " ⁇  hello");
}

TEST(PieceStreamTest, BytesJoinIntoCharacters) {
  const SmallTokenizer tokenizer(LeadingSpace::kDropOne);
  PieceStream stream(tokenizer);
  EXPECT_EQ(stream.add(kE2), "");
  EXPECT_EQ(stream.add(k82), "");
  EXPECT_EQ(stream.add(kAC), "€");
  EXPECT_EQ(stream.add(kHello), " hello");
}

TEST(PieceStreamTest, AnotherPieceEndsARunOfBytes) {
  EXPECT_EQ(text_of(LeadingSpace::kDropOne, {kE2, k82, kHello}), "\xEF\xBF\xBD\xEF\xBF\xBD hello");
  EXPECT_EQ(text_of(LeadingSpace::kDropOne, {kE2, kBos, k82}), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(text_of(LeadingSpace::kDropOne, {kY, kE2}), "y\xEF\xBF\xBD");
}

TEST(PieceStreamTest, IdsBeyondTheTokenizerHaveNoText) {
  EXPECT_EQ(text_of(LeadingSpace::kDropOne, {kHello, 1000, -1, kY}), "helloy");
}

TEST(PieceStreamTest, WhatIsShownIsAlwaysTheStartOfTheText) {
  const auto tokenizer = make_tokenizer(read_file(pocket_mixtral() / "tokenizer.model"), "pocket");
  const std::string text = "Il était une fois 😂 a café — naïve! ∑x²";
  PieceStream stream(*tokenizer);
  std::string shown;
  int held_back = 0;
  for (const int32_t id : tokenizer->encode(text)) {
    const std::string more = stream.add(id);
    held_back += more.empty();
    shown += more;
    EXPECT_TRUE(text.starts_with(shown)) << shown;
  }
  EXPECT_GT(held_back, 0) << "no character was split: the text tests nothing";
  EXPECT_EQ(shown + stream.finish(), text);
}

}  // namespace
}  // namespace octavo::test
