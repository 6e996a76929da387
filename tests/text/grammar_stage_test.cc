// Grammars applied to tokens: masks, UTF-8 boundaries, the first space, the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "octavo/error.hpp"
#include "support/grammar_match.h"
#include "support/random.h"
#include "support/small_vocabulary.h"
#include "text/grammar/grammar_stage.h"
#include "text/piece_stream.h"

namespace octavo::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
constexpr int32_t kText = SmallVocabulary::kFirstText, kEos = SmallVocabulary::kEos;

int32_t byte_id(int byte) { return SmallVocabulary::kFirstByte + byte; }

class StageTest : public testing::Test {
 protected:
  StageTest(std::vector<std::string> texts, LeadingSpace leading)
      : vocabulary_(std::move(texts), leading), tries_(vocabulary_) {}
  StageTest()
      : StageTest({"a", "ab", "b", " a", " ", "é", "éa", "日", "\"", "b\"", "  "},
                  LeadingSpace::kDropOne) {}

  GrammarStage stage(const std::string& grammar) {
    return {compiled(grammar), vocabulary_, tries_, kEos};
  }
  /// The ids that are left.
  std::vector<int32_t> allowed(GrammarStage& stage) {
    Candidates candidates;
    candidates.read(std::vector<float>(static_cast<size_t>(vocabulary_.size()) + 5));
    stage.apply(candidates);
    std::vector<int32_t> ids;
    for (const Candidate& candidate : candidates.all()) ids.push_back(candidate.id);
    return ids;
  }
  static void choose(GrammarStage& stage, int32_t id) {
    stage.chosen(id, 1);
    stage.accept(id);
  }

  SmallVocabulary vocabulary_;
  TokenTries tries_;
};

TEST_F(StageTest, TokensAreAllowedWhole) {
  GrammarStage ab = stage("root ::= \"ab\"");
  ab.continue_text();
  EXPECT_THAT(allowed(ab), ElementsAre(byte_id('a'), kText, kText + 1));
  choose(ab, kText);
  EXPECT_FALSE(ab.finished());
  EXPECT_THAT(allowed(ab), ElementsAre(byte_id('b'), kText + 2));  // not b"
  choose(ab, kText + 2);
  EXPECT_TRUE(ab.finished());
  EXPECT_THAT(allowed(ab), ElementsAre(kEos));
  choose(ab, kEos);
  EXPECT_TRUE(ab.finished());
  EXPECT_THAT(allowed(ab), ElementsAre(kEos));
}

TEST_F(StageTest, EosOnlyWhereTheGrammarMayEnd) {
  GrammarStage many = stage("root ::= \"a\" \"b\"*");
  many.continue_text();
  EXPECT_THAT(allowed(many), testing::Not(testing::Contains(kEos)));
  choose(many, kText);
  EXPECT_THAT(allowed(many), ElementsAre(kEos, byte_id('b'), kText + 2));
  EXPECT_FALSE(many.finished());
}

TEST_F(StageTest, CharactersMayBeCutIntoBytes) {
  GrammarStage letters = stage("root ::= [é日] \"a\"");  // C3 A9, E6 97 A5
  letters.continue_text();
  EXPECT_THAT(allowed(letters),
              ElementsAre(byte_id(0xC3), byte_id(0xE6), kText + 5, kText + 6, kText + 7));
  choose(letters, byte_id(0xE6));
  EXPECT_THAT(allowed(letters), ElementsAre(byte_id(0x97)));
  choose(letters, byte_id(0x97));
  EXPECT_THAT(allowed(letters), ElementsAre(byte_id(0xA5)));
  choose(letters, byte_id(0xA5));
  EXPECT_THAT(allowed(letters), ElementsAre(byte_id('a'), kText));
}

TEST_F(StageTest, OnlyContinuationsAreAllowedInsideACharacter) {
  GrammarStage any = stage("root ::= .*");
  any.continue_text();
  choose(any, byte_id(0xF0));
  std::vector<int32_t> expected;
  for (int byte = 0x90; byte <= 0xBF; ++byte) expected.push_back(byte_id(byte));
  EXPECT_EQ(allowed(any), expected);  // no text, no EOS
}

TEST_F(StageTest, TheFirstSpaceIsTakenAwayAtTheStartAlone) {
  const std::string grammar = "root ::= \"a\" \" a\"";
  GrammarStage start = stage(grammar);
  start.accept(1);  // BOS is no text
  EXPECT_THAT(allowed(start), ElementsAre(byte_id('a'), kText, kText + 3));
  choose(start, kText + 3);  // " a", shown as "a"
  EXPECT_THAT(allowed(start), ElementsAre(byte_id(' '), kText + 3, kText + 4));
  choose(start, kText + 4);
  choose(start, kText);
  EXPECT_TRUE(start.finished());

  GrammarStage behind = stage(grammar);
  behind.accept(kText + 2);  // a prompt with text
  EXPECT_THAT(allowed(behind), ElementsAre(byte_id('a'), kText));
}

TEST_F(StageTest, ADroppedSpaceAloneIsNoText) {
  GrammarStage space = stage("root ::= \" \"? \"a\"");
  EXPECT_THAT(allowed(space), testing::Not(testing::Contains(kText + 4)));
  // Of two spaces one is left.
  EXPECT_THAT(allowed(space), testing::Contains(kText + 10));
}

class DropAllTest : public StageTest {
 protected:
  DropAllTest() : StageTest({"a", " a", " "}, LeadingSpace::kDropAll) {}
};

TEST_F(DropAllTest, SpacesOfThePromptStayAtTheStart) {
  GrammarStage start = stage("root ::= \"a\"");
  start.accept(kText + 2);
  EXPECT_THAT(allowed(start), ElementsAre(byte_id('a'), kText, kText + 1));
}

TEST_F(StageTest, WhatTheVocabularyCannotSayIsAnError) {
  GrammarStage nothing = stage("root ::= \"a\" [^\\x00-\\U0010FFFF]");
  nothing.continue_text();
  choose(nothing, kText);
  EXPECT_THROW(allowed(nothing), Error);
  GrammarStage no_end = {compiled("root ::= \"a\""), vocabulary_, tries_, -1};
  no_end.continue_text();
  choose(no_end, kText);
  EXPECT_TRUE(no_end.finished());
  EXPECT_THROW(allowed(no_end), Error);
}

constexpr std::string_view kJson = R"(
root ::= value
value ::= object | array | string | "-"? [0-9]+ | "true" | "null"
object ::= "{" ws (string ":" ws value ("," ws string ":" ws value)*)? ws "}"
array ::= "[" ws (value ("," ws value)*)? ws "]"
string ::= "\"" ([^"\\\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4})){0,40} "\""
ws ::= [ \n]*
)";

/// Random allowed tokens behind "[", each mask compared with asking for each token alone; the bytes
/// of the text.
size_t walk(const SmallVocabulary& vocabulary, const TokenTrie& trie, Random& random) {
  const auto grammar = compiled(kJson);
  GrammarMatcher matcher(grammar);
  std::string text = "[";
  GrammarMatcher::State state = state_after(matcher, text);
  for (int step = 0; step < 60; ++step) {
    const TokenMask mask = allowed_tokens(matcher, state, trie);
    std::vector<int32_t> ids;
    GrammarMatcher fresh(grammar);  // knows nothing yet
    const GrammarMatcher::State here = state_after(fresh, text);
    for (int32_t id = 0; id < vocabulary.size(); ++id) {
      GrammarMatcher::State after = here;
      for (const char byte : trie.text(id)) {
        if (after == GrammarMatcher::kDead) break;
        after = fresh.next(after, static_cast<uint8_t>(byte));
      }
      const bool expected = !trie.text(id).empty() && after != GrammarMatcher::kDead;
      const auto at = static_cast<size_t>(id);
      EXPECT_EQ((mask[at / 64] >> (at % 64) & 1) != 0, expected) << text << " + " << trie.text(id);
      if (expected) ids.push_back(id);
    }
    if (ids.empty()) break;
    const auto chosen = ids[static_cast<size_t>(random.below(static_cast<int64_t>(ids.size())))];
    for (const char byte : trie.text(chosen)) {
      state = matcher.next(state, static_cast<uint8_t>(byte));
    }
    text += trie.text(chosen);
    if (step % 10 == 9) state = matcher.forget_all_but(state);
  }
  return text.size();
}

TEST(TokenMasks, EqualAskingEachTokenAlone) {
  std::vector<std::string> texts = {" ",  "  ",  "{\"", "\":", "\",",  "\"}",  "]]", "[[", "null",
                                    "\\", "\\u", "00",  "é",   "日本", "e\"}", "tr", "ue", "true,"};
  Random random(4);
  for (int i = 0; i < 300; ++i) {  // some of the grammar's bytes at random
    std::string text;
    for (int64_t length = 1 + random.below(5); length > 0; --length) {
      text += "{}[]\":,\\ untrel0123\n"[random.below(20)];
    }
    texts.push_back(text);
  }
  const SmallVocabulary vocabulary(texts);
  const TokenTries tries(vocabulary);
  size_t bytes = 0;
  for (int run = 0; run < 20; ++run) bytes += walk(vocabulary, tries.get(false), random);
  EXPECT_GT(bytes, 200u);
}

TEST(TokenMasks, ForgettingChangesNothing) {
  GrammarMatcher matcher(compiled(kJson));
  GrammarMatcher other(compiled(kJson));
  const std::string text = R"({"a": [1, {"b": "日本\n"}, [[]], null], "é": "\u00e9"})";
  GrammarMatcher::State a = GrammarMatcher::kStart, b = GrammarMatcher::kStart;
  for (const char byte : text) {
    a = matcher.forget_all_but(matcher.next(a, static_cast<uint8_t>(byte)));
    b = other.next(b, static_cast<uint8_t>(byte));
    ASSERT_EQ(matcher.may_end(a), other.may_end(b));
    for (int next = 0; next < 256; ++next) {
      ASSERT_EQ(matcher.next(a, static_cast<uint8_t>(next)) == GrammarMatcher::kDead,
                other.next(b, static_cast<uint8_t>(next)) == GrammarMatcher::kDead);
    }
  }
  EXPECT_TRUE(matcher.must_end(a));
}

TEST(TokenMasks, LongTextsAreForgottenInTime) {
  const SmallVocabulary vocabulary({"[", "[[[["});
  const TokenTries tries(vocabulary);
  GrammarStage stage(compiled(kJson), vocabulary, tries, kEos);
  stage.continue_text();
  Candidates candidates;
  const std::vector<float> logits(static_cast<size_t>(vocabulary.size()));
  for (int i = 0; i < 10'000; ++i) {
    candidates.read(logits);
    stage.apply(candidates);
    ASSERT_NE(candidates.find(kText + 1), nullptr);
    stage.chosen(kText + 1, 1);
    stage.accept(kText + 1);
  }
}

}  // namespace
}  // namespace octavo::test
