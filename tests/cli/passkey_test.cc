// octavo passkey: its prompts and its judgement, piece by piece, then the command.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/passkey_prompt.h"
#include "cli/passkey_report.h"
#include "cli/program.h"
#include "cli/xml_check.h"
#include "octavo/octavo.hpp"

namespace octavo::test {
namespace {

using testing::HasSubstr;

int occurrences(std::string_view text, std::string_view what) {
  int found = 0;
  for (size_t at = 0; (at = text.find(what, at)) != text.npos; ++at) ++found;
  return found;
}

class PasskeyPromptTest : public testing::Test {
 protected:
  const ConvertedPocket pocket_;
  const Model model_ = Model::open(pocket_.path());
  const cli::PasskeyPrompts prompts_{model_};
};

TEST_F(PasskeyPromptTest, LengthsAreExact) {
  for (const int64_t length :
       {prompts_.least_length(), int64_t{128}, int64_t{500}, int64_t{2048}}) {
    for (const int64_t depth : {0, 1, 33, 50, 99, 100}) {
      for (const int64_t key : {10000, 31415, 99999}) {
        const cli::PasskeyPrompt prompt = prompts_.build(length, depth, key);
        EXPECT_EQ(static_cast<int64_t>(prompt.ids.size()) + prompt.answer_tokens, length);
        EXPECT_GT(prompt.answer_tokens, 5);
      }
    }
  }
}

TEST_F(PasskeyPromptTest, SaysWhatThePaperSays) {
  const cli::PasskeyPrompt prompt = prompts_.build(600, 40, 31415);
  const std::string text = model_.detokenize(prompt.ids);
  EXPECT_EQ(prompt.ids.front(), model_.info().bos);
  EXPECT_EQ(occurrences(text, "\nThe pass key is 31415. Remember it. 31415 is the pass key.\n"), 1);
  EXPECT_EQ(occurrences(text, "31415"), 2);
  EXPECT_THAT(text,
              HasSubstr("I will quiz you about the important information there.\nThe grass is "
                        "green. The sky is blue. The sun is yellow. Here we go. There and "
                        "back again. The grass is green."));
  EXPECT_TRUE(text.ends_with("\nWhat is the pass key? The pass key is"));
  // The pieces are cut as a tokenizer would cut the whole, but where the filler ends in a word.
  EXPECT_EQ(std::count(prompt.ids.begin(), prompt.ids.end(), model_.info().bos), 1);
}

TEST_F(PasskeyPromptTest, TheKeyIsAtItsDepth) {
  constexpr int64_t kLength = 1500, kKey = 54321;
  const int64_t first = prompts_.build(kLength, 0, kKey).key_first;
  const int64_t last = prompts_.build(kLength, 100, kKey).key_first;
  EXPECT_GT(last - first, kLength - 200);
  for (int64_t depth = 0; depth <= 100; depth += 10) {
    const cli::PasskeyPrompt prompt = prompts_.build(kLength, depth, kKey);
    EXPECT_EQ(prompt.key_first, first + (last - first) * depth / 100);
    const auto behind = std::span(prompt.ids).subspan(static_cast<size_t>(prompt.key_first), 24);
    EXPECT_THAT(model_.detokenize(behind), HasSubstr("The pass key is 54321."));
    const auto before = std::span(prompt.ids).first(static_cast<size_t>(prompt.key_first));
    EXPECT_EQ(occurrences(model_.detokenize(before), "pass key"), 0);
  }
}

/// So that what stands before the key need not be computed for each of them.
TEST_F(PasskeyPromptTest, PromptsAreTheSameUpToTheFirstKey) {
  const cli::PasskeyPrompt a = prompts_.build(800, 30, 11111), b = prompts_.build(1600, 90, 22222);
  ASSERT_LT(a.key_first, b.key_first);
  EXPECT_TRUE(std::equal(a.ids.begin(), a.ids.begin() + a.key_first, b.ids.begin()));
}

TEST_F(PasskeyPromptTest, TooShortALengthIsRefused) {
  const int64_t least = prompts_.least_length();
  EXPECT_NO_THROW(prompts_.build(least, 50, 12345));
  try {
    prompts_.build(least - 20, 50, 12345);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("too short"));
    EXPECT_THAT(error.what(), HasSubstr(std::to_string(least)));
  }
}

TEST(PasskeyTest, KeysDifferAndComeBack) {
  std::set<int64_t> keys;
  for (int64_t trial = 0; trial < 100; ++trial) {
    const int64_t key = cli::passkey(1, 1024, 50, trial);
    EXPECT_GE(key, 10000);
    EXPECT_LE(key, 99999);
    EXPECT_EQ(key, cli::passkey(1, 1024, 50, trial));
    keys.insert(key);
  }
  EXPECT_GT(keys.size(), 90u);
  const int64_t key = cli::passkey(1, 1024, 50, 0);
  EXPECT_NE(key, cli::passkey(2, 1024, 50, 0));
  EXPECT_NE(key, cli::passkey(uint64_t{1} + (uint64_t{1} << 32), 1024, 50, 0));
  EXPECT_NE(key, cli::passkey(1, 2048, 50, 0));
  EXPECT_NE(key, cli::passkey(1, 1024, 60, 0));
}

TEST(PasskeyTest, OnlyTheKeyItselfIsCorrect) {
  for (const char* right : {"12345", " 12345", " 12345.", "12345.\n", " is 12345, not 54321"}) {
    EXPECT_TRUE(cli::is_passkey(right, 12345)) << right;
  }
  for (const char* wrong : {"", " ", "a good idea", "1234", "123456", "1 2 3 4 5",
                            "54321, not 12345", "012345", "12.345"}) {
    EXPECT_FALSE(cli::is_passkey(wrong, 12345)) << wrong;
  }
}

cli::PasskeyResult some_answers() {
  cli::PasskeyResult result{{1024, 2048}, {0, 100}, {}};
  result.answers = {{1024, 0, 11111, "11111.", true},  {1024, 0, 22222, "no", false},
                    {1024, 100, 33333, "33333", true}, {1024, 100, 44444, "44444", true},
                    {2048, 0, 55555, "7", false},      {2048, 0, 66666, "8", false},
                    {2048, 100, 77777, "77777", true}, {2048, 100, 88888, "9", false}};
  return result;
}

TEST(PasskeyReportTest, CountsByLengthAndDepth) {
  const cli::PasskeyResult result = some_answers();
  constexpr int64_t kEvery = cli::PasskeyResult::kEvery;
  EXPECT_EQ(result.accuracy(1024, 0), 0.5);
  EXPECT_EQ(result.accuracy(2048, 0), 0);
  EXPECT_EQ(result.accuracy(1024, kEvery), 0.75);
  EXPECT_EQ(result.accuracy(kEvery, 100), 0.75);
  EXPECT_EQ(result.accuracy(kEvery, kEvery), 0.5);

  cli::PasskeyArguments arguments;
  arguments.model.path = "folder/m&m.8vo";
  arguments.trials = 2;
  const std::string text = cli::passkey_text(arguments, result);
  EXPECT_THAT(text, HasSubstr("  length    0 %  100 %      all\n"
                              "    1024     50    100     75.0\n"
                              "    2048      0     50     25.0\n"
                              "     all     25     75     50.0\n"));
  const auto json = nlohmann::json::parse(cli::passkey_json(arguments, result, {}));
  EXPECT_EQ(json["accuracy"], nlohmann::json::parse("[[0.5, 1.0], [0.0, 0.5]]"));
  EXPECT_EQ(json["accuracy_by_length"], nlohmann::json::parse("[0.75, 0.25]"));
  EXPECT_EQ(json["accuracy_by_depth"], nlohmann::json::parse("[0.25, 0.75]"));
  EXPECT_EQ(json["accuracy_of_all"], 0.5);
  const std::string svg = cli::passkey_svg(arguments, result);
  EXPECT_EQ(xml_problem(svg), "");
  EXPECT_THAT(svg, HasSubstr("m&amp;m.8vo"));
  EXPECT_THAT(svg, HasSubstr("<title>1024, 0 %: 50 %</title>"));
}

TEST(PasskeyCommandTest, GivesATable) {
  const ConvertedPocket pocket;
  const Outcome outcome =
      run_program({"passkey", pocket.path(), "--lengths", "512,128,128", "--depths", "100,0", "-t",
                   "1", "--chunk", "100", "--kv-type", "bf16", "--svg", pocket.file("map.svg")});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");  // no progress where nobody watches
  EXPECT_THAT(outcome.out, HasSubstr("  length    0 %  100 %      all\n     128 "));
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 6);
  const std::string svg = read_file(pocket.file("map.svg"));
  EXPECT_EQ(xml_problem(svg), "");
  EXPECT_THAT(svg, HasSubstr("<title>512, 100 %: "));
}

/// The answers are what greedy generation gives for the same prompt.
TEST(PasskeyCommandTest, AnswersAreTheModels) {
  const ConvertedPocket pocket;
  const Outcome outcome =
      run_program({"passkey", pocket.path(), "--lengths", "200,400", "--depths", "0,50,100",
                   "--trials", "2", "--seed", "7", "-t", "1", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["lengths"], (std::vector<int>{200, 400}));
  EXPECT_EQ(json["depths"], (std::vector<int>{0, 50, 100}));
  EXPECT_EQ(json["trials"], 2);
  EXPECT_EQ(json["seed"], 7);
  EXPECT_EQ(json["cache_type"], "f16");
  ASSERT_EQ(json["answers"].size(), 12u);
  const Model model = Model::open(pocket.path());
  const cli::PasskeyPrompts prompts(model);
  Session session(model, {.threads = 1});
  for (const auto& asked : json["answers"]) {
    const int64_t key = asked["key"];
    const cli::PasskeyPrompt prompt = prompts.build(asked["length"], asked["depth"], key);
    std::vector<int32_t> ids;
    generate(session, prompt.ids, {.max_tokens = prompt.answer_tokens, .whole_prompt = true},
             {.temperature = 0}, [&ids](const Token& token) {
               ids.push_back(token.id);
               return true;
             });
    EXPECT_EQ(asked["answer"], model.detokenize(ids));
    EXPECT_EQ(asked["correct"], cli::is_passkey(model.detokenize(ids), key));
  }
}

TEST(PasskeyCommandTest, LengthsFollowTheModelsContext) {
  const ConvertedPocket pocket;
  const Outcome outcome =
      run_program({"passkey", pocket.path(), "--depths", "50", "-t", "1", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["lengths"], (std::vector<int>{1024, 2048}));
  EXPECT_EQ(json["depths"], (std::vector<int>{50}));
}

TEST(PasskeyCommandTest, WhatCannotBeAsked) {
  const ConvertedPocket pocket;
  const auto fails = [&](std::vector<std::string> arguments, int code, const char* why) {
    arguments.insert(arguments.begin(), {"passkey", pocket.path()});
    const Outcome outcome = run_program(arguments);
    EXPECT_EQ(outcome.exit_code, code) << why;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, testing::StartsWith("octavo: "));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(why));
  };
  fails({"--lengths", "512,2049"}, 1, "2049 is more than the context");
  fails({"--lengths", "20"}, 1, "20 is too short: the test needs at least");
  fails({"--svg", "/nowhere/map.svg"}, 1, "/nowhere/map.svg");
  fails({"--depths", "0,101"}, 2, "101 is no whole number between 0 and 100");
  fails({"--depths", "deep"}, 2, "deep");
  fails({"--lengths", "0"}, 2, "--lengths");
  fails({"--trials", "0"}, 2, "--trials");
  fails({"--chunk", "0"}, 2, "--chunk");
  fails({"--kv-type", "q9"}, 2, "q9 is no type of cache (auto, f32");
}

TEST(PasskeyCommandTest, AModelWithoutATokenizer) {
  const TempDir folder;
  const std::string path = folder.file("model.8vo");
  ASSERT_EQ(run_program({"convert", OCTAVO_TEST_DATA "/tiny-mixtral/hf", "--to", path}).exit_code,
            0);
  const Outcome outcome = run_program({"passkey", path});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("tokenizer"));
}

}  // namespace
}  // namespace octavo::test
