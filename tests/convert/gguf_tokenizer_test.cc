// The SentencePiece model that is made of a GGUF file's vocabulary.
#include "convert/gguf_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <span>
#include <sstream>

#include "octavo/error.hpp"
#include "support/files.h"
#include "support/gguf.h"
#include "text/tokenizer.h"

namespace octavo::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string tokenizer_of(const GgufBuilder& builder, std::vector<std::string>& notes) {
  const std::string bytes = builder.bytes();
  const GgufHeader header = parse_gguf_header(std::as_bytes(std::span(bytes)),
                                              static_cast<int64_t>(bytes.size()), "model.gguf");
  return read_gguf_tokenizer(GgufMetadata(header), notes);
}

std::string error_of(const GgufBuilder& builder) {
  std::vector<std::string> notes;
  try {
    tokenizer_of(builder, notes);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

class Rebuilt : public ::testing::TestWithParam<const char*> {
 protected:
  static std::string original() {
    return GetParam() == std::string_view("pocket")
               ? read_file(pocket_mixtral() / "tokenizer.model")
               : read_file(test_data(GetParam()));
  }
  static std::string rebuilt() {
    GgufBuilder builder;
    set_gguf_tokenizer(builder, original());
    std::vector<std::string> notes;
    std::string model = tokenizer_of(builder, notes);
    EXPECT_THAT(notes, IsEmpty());
    return model;
  }
};
INSTANTIATE_TEST_SUITE_P(Tokenizers, Rebuilt,
                         ::testing::Values("pocket", "tokenizer/tokenizer.model.v1",
                                           "stories260K-moe8/tokenizer.model"));

TEST_P(Rebuilt, PiecesAreTheOriginals) {
  const auto a = make_tokenizer(original(), "a"), b = make_tokenizer(rebuilt(), "b");
  ASSERT_EQ(a->size(), b->size());
  EXPECT_EQ(a->leading_space(), b->leading_space());
  for (int32_t id = 0; id < a->size(); ++id) {
    const Piece x = a->piece(id), y = b->piece(id);
    EXPECT_EQ(x.name, y.name);
    EXPECT_EQ(x.kind, y.kind);
    EXPECT_EQ(x.text, y.text);
  }
}

TEST_P(Rebuilt, TextGivesTheSameIds) {
  const auto a = make_tokenizer(original(), "a"), b = make_tokenizer(rebuilt(), "b");
  std::vector<std::string> texts = {"",
                                    " ",
                                    "  two  spaces  ",
                                    "\n\t",
                                    "<s> </s> <unk> <0x0A>",
                                    std::string("\0\1\xFF\xC3(", 5),
                                    "▁▁a▁",
                                    "日本語 🙂 ﬁ"};
  for (const char* name : {"thirdparty", "spm_reference"}) {
    const auto path = test_data("tokenizer/mistral_v1_" + std::string(name) + ".jsonl");
    std::istringstream lines(read_file(path));
    for (std::string line; std::getline(lines, line);) {
      texts.push_back(nlohmann::json::parse(line)["text"]);
    }
  }
  EXPECT_GT(texts.size(), 20u);
  for (const std::string& text : texts) EXPECT_EQ(a->encode(text), b->encode(text)) << text;
}

TEST_P(Rebuilt, LongTextsGiveTheSameIds) {
  const auto a = make_tokenizer(original(), "a"), b = make_tokenizer(rebuilt(), "b");
  for (const char* name : {"text/wiki-heldout.txt", "text/multilingual/udhr_jpn.txt",
                           "text/multilingual/udhr_arb.txt", "text/domains/github_python.txt"}) {
    const auto path = shared_data(name);
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
    const std::string text = read_file(path);
    EXPECT_EQ(a->encode(text), b->encode(text)) << name;
  }
}

// What llama.cpp's own converter wrote of the original.
TEST(GgufTokenizer, PocketMixtralsGguf) {
  const auto path = shared_data("models/pocket-mixtral-gguf/pocket-mixtral-Q4_0.gguf");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const std::string bytes = read_file(path);
  const GgufHeader header = parse_gguf_header(std::as_bytes(std::span(bytes)),
                                              static_cast<int64_t>(bytes.size()), "model.gguf");
  std::vector<std::string> notes;
  const auto b = make_tokenizer(read_gguf_tokenizer(GgufMetadata(header), notes), "b");
  const auto a = make_tokenizer(read_file(pocket_mixtral() / "tokenizer.model"), "a");
  const std::string text = read_file(shared_data("text/wiki-heldout.txt"));
  EXPECT_EQ(a->encode(text), b->encode(text));
}

GgufBuilder small() {
  GgufBuilder builder;
  builder.text("tokenizer.ggml.model", "llama");
  builder.texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "▁", "a", "▁a"});
  builder.numbers("tokenizer.ggml.scores", {0, 0, 0, -3, -2, -1});
  builder.integers("tokenizer.ggml.token_type", {2, 3, 3, 1, 1, 1});
  return builder;
}

TEST(GgufTokenizer, SpaceInFront) {
  std::vector<std::string> notes;
  GgufBuilder builder = small();
  EXPECT_THAT(make_tokenizer(tokenizer_of(builder, notes), "t")->encode("a a"), ElementsAre(5, 5));
  builder.boolean("tokenizer.ggml.add_space_prefix", false);
  EXPECT_THAT(make_tokenizer(tokenizer_of(builder, notes), "t")->encode("a a"), ElementsAre(4, 5));
}

TEST(GgufTokenizer, WhatLooksLikeAControlTokenIsOne) {
  std::vector<std::string> notes;
  GgufBuilder builder = small();
  builder.texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "▁", "<|a|>", "aa"});
  builder.integers("tokenizer.ggml.token_type", {2, 3, 3, 1, 4, 4});
  const auto tokenizer = make_tokenizer(tokenizer_of(builder, notes), "t");
  EXPECT_EQ(tokenizer->piece(4).kind, PieceKind::kControl);
  EXPECT_EQ(tokenizer->piece(5).kind, PieceKind::kText);
  EXPECT_THAT(tokenizer->encode("<|a|>"), ::testing::Not(::testing::Contains(4)));
  EXPECT_THAT(notes, ElementsAre(HasSubstr("1 tokens")));
}

TEST(GgufTokenizer, OtherKindsGiveANote) {
  std::vector<std::string> notes;
  GgufBuilder builder = small();
  builder.text("tokenizer.ggml.model", "gpt2");
  EXPECT_EQ(tokenizer_of(builder, notes), "");
  EXPECT_THAT(notes, ElementsAre(HasSubstr("gpt2")));
  notes.clear();
  builder.erase("tokenizer.ggml.model");
  EXPECT_EQ(tokenizer_of(builder, notes), "");
  EXPECT_THAT(notes, IsEmpty());
}

TEST(GgufTokenizer, EntriesThatDoNotFit) {
  const std::pair<const char*, std::function<void(GgufBuilder&)>> cases[] = {
      {"scores is missing", [](auto& b) { b.erase("tokenizer.ggml.scores"); }},
      {"6 tokens, 1 scores and 6 types", [](auto& b) { b.numbers("tokenizer.ggml.scores", {0}); }},
      {"score of token 4",
       [](auto& b) {
         b.numbers("tokenizer.ggml.scores", {0, 0, 0, 0, std::nanf(""), 0});
       }},
      {"token 5 of the tokenizer is of the unknown type 7",
       [](auto& b) {
         b.integers("tokenizer.ggml.token_type", {2, 3, 3, 1, 1, 7});
       }},
      {"0 unknown tokens",
       [](auto& b) {
         b.integers("tokenizer.ggml.token_type", {3, 3, 3, 1, 1, 1});
       }},
      {"2 unknown tokens",
       [](auto& b) {
         b.integers("tokenizer.ggml.token_type", {2, 2, 3, 1, 1, 1});
       }},
      {"1 byte tokens",
       [](auto& b) {
         b.integers("tokenizer.ggml.token_type", {2, 3, 3, 6, 1, 1});
       }},
      {"\"a\", is there twice",
       [](auto& b) {
         b.texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "▁", "a", "a"});
       }},
      {"token 3 of the tokenizer is empty",
       [](auto& b) {
         b.texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "", "a", "b"});
       }},
  };
  EXPECT_EQ(error_of(small()), "");
  for (const auto& [message, change] : cases) {
    GgufBuilder builder = small();
    change(builder);
    EXPECT_THAT(error_of(builder), HasSubstr(message));
  }
}

}  // namespace
}  // namespace octavo::test
