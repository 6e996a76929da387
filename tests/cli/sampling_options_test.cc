// octavo run's options of sampling and constrained output.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/program.h"

namespace octavo::test {
namespace {

using testing::HasSubstr;

class SamplingCommandTest : public testing::Test {
 protected:
  Outcome run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(),
                     {"run", pocket_.path(), "-p", "Once upon a time", "--seed", "4"});
    return run_program(arguments);
  }

  const ConvertedPocket pocket_;
};

TEST_F(SamplingCommandTest, GrammarsFromFiles) {
  write_file(pocket_.file("words.gbnf"), "root ::= [a-z]{2,4} (\" \" [a-z]{2,4}){2} # three\n");
  const Outcome outcome = run({"--grammar", pocket_.file("words.gbnf")});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, testing::MatchesRegex("[a-z]+ [a-z]+ [a-z]+\n"));
}

TEST_F(SamplingCommandTest, SchemasFromTheCommandLineAndFromFiles) {
  const std::string schema =
      R"({"type": "object", "properties": {"n": {"type": "integer", "minimum": 3, "maximum": 40}}, "required": ["n"]})";
  write_file(pocket_.file("n.json"), schema);
  const Outcome outcome = run({"--json-schema", schema, "--temp", "1.5"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto value = nlohmann::json::parse(outcome.out);
  EXPECT_GE(value.at("n"), 3);
  EXPECT_LE(value.at("n"), 40);
  EXPECT_EQ(run({"--json-schema", pocket_.file("n.json"), "--temp", "1.5"}).out, outcome.out);
}

TEST_F(SamplingCommandTest, EveryStageHasItsOption) {
  const std::vector<std::vector<std::string>> changes = {
      {"--repeat-penalty", "3", "--repeat-window", "200"},
      {"--freq-penalty", "4"},
      {"--presence-penalty", "9"},
      {"--dry-multiplier", "9", "--dry-base", "3", "--dry-allowed-length", "1"},
      {"--typical", "0.2"},
      {"--xtc-probability", "1", "--xtc-threshold", "0.05"},
      {"--dynatemp-range", "0.7", "--dynatemp-exponent", "0.3"},
      {"--mirostat", "--mirostat-tau", "9", "--mirostat-eta", "0.5"},
  };
  const std::string plain = run({"-n", "60"}).out;
  for (std::vector<std::string> change : changes) {
    change.insert(change.end(), {"-n", "60"});
    const Outcome outcome = run(change);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_NE(outcome.out, plain) << change.front();
  }
}

TEST_F(SamplingCommandTest, SpeculationChangesTheTimeAlone) {
  const std::vector<std::string> common = {
      "-p", "one two three one two three one two three one two", "-n", "40", "--stats"};
  const auto with = [&](const std::string& when) {
    std::vector<std::string> arguments = common;
    arguments.insert(arguments.end(), {"--speculate", when});
    arguments.insert(arguments.begin(), {"run", pocket_.path(), "--seed", "4"});
    return run_program(arguments);
  };
  const Outcome off = with("off"), on = with("on"), automatic = with("auto");
  EXPECT_EQ(off.exit_code, 0) << off.err;
  EXPECT_EQ(on.out, off.out);
  EXPECT_EQ(automatic.out, off.out);
  EXPECT_THAT(on.err, testing::ContainsRegex("drafted +[0-9]+ tokens, of which [0-9]+ were right"));
  EXPECT_THAT(off.err, testing::Not(HasSubstr("drafted")));
  const Outcome wrong = with("maybe");
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("maybe is none of auto, on and off"));
}

TEST_F(SamplingCommandTest, LogitBiasesForceAndForbid) {
  const Outcome forced = run({"--temp", "0", "-n", "3", "--logit-bias", "36=100"});
  EXPECT_EQ(forced.out, "!!!\n");  // <0x21>
  EXPECT_NE(
      run({"--temp", "0", "-n", "3", "--logit-bias", "36=100", "--logit-bias", "36=-inf"}).out,
      forced.out);
}

TEST_F(SamplingCommandTest, FaultsShowInOneLine) {
  const auto expect_failed = [this](const std::vector<std::string>& arguments, int exit_code,
                                    const std::string& what) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, exit_code);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(what));
  };
  write_file(pocket_.file("bad.gbnf"), "root ::= \"a\"\nother ::= nothing\n");
  expect_failed({"--grammar", pocket_.file("bad.gbnf")}, 1, "line 2: rule 'nothing'");
  expect_failed({"--grammar", "/nowhere.gbnf"}, 1, "/nowhere.gbnf");
  expect_failed({"--json-schema", "{\"not\": {}}"}, 1, "not is not supported");
  expect_failed({"--json-schema", "{\"type\": "}, 1, "no JSON");
  expect_failed({"--json-schema", "{}", "--grammar", "x"}, 2, "--grammar");
  expect_failed({"--logit-bias", "5"}, 2, "no ID=BIAS");
  expect_failed({"--logit-bias", "5=nan"}, 2, "no ID=BIAS");
  expect_failed({"--logit-bias", "99999=1"}, 1, "outside the vocabulary of 4096");
  expect_failed({"--mirostat-tau", "3"}, 2, "--mirostat");
  expect_failed({"--typical", "0"}, 2, "--typical");
}

}  // namespace
}  // namespace octavo::test
