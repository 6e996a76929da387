// octavo run and tokenize, as a user sees them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.h"
#include "octavo/octavo.hpp"
#include "text/utf8_stream.h"

namespace octavo::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class RunCommandTest : public testing::Test {
 protected:
  Outcome run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"run", pocket_.path()});
    return run_program(arguments);
  }

  const ConvertedPocket pocket_;
};

TEST_F(RunCommandTest, PrintsTheGeneratedTextAloneAndALineEnd) {
  const Outcome outcome = run({"-p", "Once upon a time", "-n", "12", "--temp", "0"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, EndsWith("\n"));
  EXPECT_THAT(outcome.out, testing::Not(HasSubstr("Once upon")));

  std::string expected;
  const Model model = Model::open(pocket_.path());
  Session session(model);
  generate(session, model.tokenize("Once upon a time"), {.max_tokens = 12}, {.temperature = 0},
           [&expected](const Token& token) {
             expected += token.text;
             return true;
           });
  EXPECT_EQ(outcome.out, expected + "\n");
}

TEST_F(RunCommandTest, ThreadsDoNotChangeGreedyText) {
  const auto text = [this](const char* threads) {
    return run({"-p", "The river", "-n", "40", "--temp", "0", "-t", threads}).out;
  };
  EXPECT_EQ(text("1"), text("2"));
  EXPECT_EQ(text("1"), text("3"));
}

TEST_F(RunCommandTest, TheSeedDecides) {
  const auto text = [this](const char* seed) {
    return run({"-p", "The", "-n", "40", "--temp", "1.5", "--seed", seed}).out;
  };
  EXPECT_EQ(text("11"), text("11"));
  EXPECT_NE(text("11"), text("12"));
}

TEST_F(RunCommandTest, APromptFromAFileIsTakenByteForByte) {
  write_file(pocket_.file("prompt.txt"), "The old house\n\n");
  const Outcome from_file = run({"-f", pocket_.file("prompt.txt"), "-n", "20", "--temp", "0"});
  EXPECT_EQ(from_file.exit_code, 0);
  EXPECT_EQ(from_file.out, run({"-p", "The old house\n\n", "-n", "20", "--temp", "0"}).out);
}

TEST_F(RunCommandTest, NoTokensAreNoText) {
  const Outcome outcome = run({"-p", "The", "-n", "0"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out, "\n");
}

TEST_F(RunCommandTest, EndsWhenTheContextIsFull) {
  const Outcome outcome = run({"-p", "The", "-n", "-1", "--ctx", "16", "--temp", "0", "--stats"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("16 of 16 tokens"));
}

TEST_F(RunCommandTest, StatsGoToStandardError) {
  const std::vector<std::string> arguments = {"-p", "The", "-n", "5", "--temp", "0"};
  std::vector<std::string> with_stats = arguments;
  with_stats.push_back("--stats");
  const Outcome outcome = run(with_stats);
  EXPECT_EQ(outcome.out, run(arguments).out);
  EXPECT_THAT(outcome.err, HasSubstr("tokens/s"));
  EXPECT_THAT(outcome.err, HasSubstr("seed"));
  EXPECT_THAT(outcome.err, HasSubstr("prefill of 2 "));  // the beginning and "The"
  EXPECT_THAT(outcome.err, HasSubstr("decode, a token"));
  EXPECT_THAT(outcome.err, HasSubstr("moe_ffn"));
}

TEST_F(RunCommandTest, StatsOfAPromptAlone) {
  const Outcome outcome = run({"-p", "The", "-n", "0", "--stats"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("prefill of 2 "));
  EXPECT_THAT(outcome.err, testing::Not(HasSubstr("decode, a token")));
}

TEST_F(RunCommandTest, WildTextIsStillWholeUtf8) {
  const Outcome outcome = run({"-p", "日本語", "-n", "300", "--temp", "20", "--top-k", "0",
                               "--top-p", "1", "--min-p", "0", "--seed", "3"});
  EXPECT_EQ(outcome.exit_code, 0);
  Utf8Stream stream;
  EXPECT_EQ(stream.add(outcome.out) + stream.finish(), outcome.out);
  EXPECT_THAT(outcome.out, HasSubstr("\xEF\xBF\xBD"));  // such text has bytes that join to nothing
}

TEST_F(RunCommandTest, TokenizePrintsOneJsonArray) {
  write_file(pocket_.file("text.txt"), " Hello\n");
  const Outcome outcome =
      run_program({"tokenize", pocket_.path(), "-f", pocket_.file("text.txt"), "--ids"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  const auto ids = nlohmann::json::parse(outcome.out).get<std::vector<int32_t>>();
  EXPECT_EQ(ids, Model::open(pocket_.path()).tokenize(" Hello\n"));
  EXPECT_EQ(ids.front(), 1);
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1);
}

TEST_F(RunCommandTest, TokenizeShowsAPieceALine) {
  const Outcome outcome = run_program({"tokenize", pocket_.path(), "-p", "the\n"});
  EXPECT_THAT(outcome.out, StartsWith("     1  <s>\n"));
  EXPECT_THAT(outcome.out, HasSubstr("  ▁the\n"));
  EXPECT_THAT(outcome.out, EndsWith("  <0x0A>\n"));
}

TEST_F(RunCommandTest, TokenizeTakesNoTextToo) {
  EXPECT_EQ(run_program({"tokenize", pocket_.path(), "-p", "", "--ids"}).out, "[1]\n");
}

}  // namespace
}  // namespace octavo::test
