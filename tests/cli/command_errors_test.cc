// What goes wrong: one clear line on standard error, exit code 1; a wrong command line is 2.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "cli/program.h"

namespace octavo::test {
namespace {

using testing::HasSubstr;

void expect_one_line(const Outcome& outcome, int exit_code, const std::string& what) {
  EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, testing::StartsWith("octavo: "));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr(what));
}

class FailingCommandTest : public testing::Test {
 protected:
  Outcome run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"run", pocket_.path()});
    return run_program(arguments);
  }

  const ConvertedPocket pocket_;
};

TEST_F(FailingCommandTest, EmptyPrompts) {
  write_file(pocket_.file("empty.txt"), "");
  expect_one_line(run({"-p", ""}), 1, "the prompt is empty");
  expect_one_line(run({"-f", pocket_.file("empty.txt")}), 1, "the prompt is empty");
}

TEST_F(FailingCommandTest, APromptLongerThanTheContext) {
  const std::string text = "The river ran down to the old town by the sea.";
  expect_one_line(run({"-p", text, "--ctx", "8"}), 1, "the context of 8");
  write_file(pocket_.file("long.txt"), std::string(100000, 'a'));
  expect_one_line(run({"-f", pocket_.file("long.txt")}), 1, "the context of 2048");
}

TEST_F(FailingCommandTest, FilesThatCannotBeRead) {
  expect_one_line(run({"-f", pocket_.file("nowhere.txt")}), 1, "nowhere.txt: No such file");
  expect_one_line(run({"-f", "/"}), 1, "Is a directory");
  expect_one_line(run_program({"run", pocket_.file("nowhere.8vo"), "-p", "a"}), 1, "nowhere.8vo");
  expect_one_line(
      run_program({"eval", pocket_.path(), "--ids", "/nowhere.json", "--logits", "x.npy"}), 1,
      "/nowhere.json");
  expect_one_line(run_program({"perplexity", pocket_.path(), "-f", "/nowhere.txt"}), 1,
                  "/nowhere.txt");
  expect_one_line(run_program({"tokenize", pocket_.path(), "-f", "/nowhere.txt"}), 1,
                  "/nowhere.txt");
}

TEST_F(FailingCommandTest, FilesThatCannotBeWritten) {
  write_file(pocket_.file("ids.json"), "[1, 2]");
  expect_one_line(run_program({"eval", pocket_.path(), "--ids", pocket_.file("ids.json"),
                               "--logits", "/nowhere/logits.npy"}),
                  1, "/nowhere/logits.npy");
}

TEST_F(FailingCommandTest, MoreIdsThanTheContext) {
  write_file(pocket_.file("ids.json"), nlohmann::json(std::vector<int>(2049, 5)).dump());
  expect_one_line(run_program({"eval", pocket_.path(), "--ids", pocket_.file("ids.json"),
                               "--logits", pocket_.file("logits.npy")}),
                  1, "2049");
  EXPECT_FALSE(std::filesystem::exists(pocket_.file("logits.npy")));
}

TEST_F(FailingCommandTest, ModelsThatAreNone) {
  write_file(pocket_.file("text.8vo"),
             "This is no model, only text that is long enough for a header.");
  write_file(pocket_.file("empty.8vo"), "");
  const std::string whole = read_file(pocket_.path());
  write_file(pocket_.file("cut.8vo"), std::string_view(whole).substr(0, whole.size() / 2));
  for (const char* name : {"text.8vo", "empty.8vo", "cut.8vo"}) {
    const std::string path = pocket_.file(name);
    expect_one_line(run_program({"run", path, "-p", "a"}), 1, name);
    expect_one_line(run_program({"tokenize", path, "-p", "a", "--ids"}), 1, name);
    expect_one_line(run_program({"inspect", path}), 1, name);
  }
}

TEST_F(FailingCommandTest, AFullDisk) {
  const Outcome outcome =
      Program({"run", pocket_.path(), "-p", "The", "-n", "3"}, "/dev/full").finish();
  expect_one_line(outcome, 1, "cannot write to standard output: No space left on device");
}

TEST(ModelWithoutTokenizerTest, SaysWhatIsMissing) {
  const TempDir folder;
  for (const char* name : {"config.json", "model.safetensors"}) {
    std::filesystem::copy(pocket_mixtral() / name, folder.path() / name);
  }
  const std::string model = folder.file("pocket.8vo");
  ASSERT_EQ(run_program({"convert", folder.path(), "--to", model, "--type", "bf16"}).exit_code, 0);
  expect_one_line(run_program({"run", model, "-p", "a"}), 1, "has no tokenizer");
  expect_one_line(run_program({"tokenize", model, "-p", "a"}), 1, "has no tokenizer");
  write_file(folder.file("ids.json"), "[1, 2]");
  EXPECT_EQ(run_program({"eval", model, "--ids", folder.file("ids.json"), "--logits",
                         folder.file("logits.npy")})
                .exit_code,
            0);
}

TEST(ModelWithADamagedTokenizerTest, SaysSo) {
  const TempDir folder;
  for (const char* name : {"config.json", "model.safetensors"}) {
    std::filesystem::copy(pocket_mixtral() / name, folder.path() / name);
  }
  write_file(folder.path() / "tokenizer.model", "no tokenizer at all");
  const std::string model = folder.file("pocket.8vo");
  const Outcome converted =
      run_program({"convert", folder.path(), "--to", model, "--type", "bf16"});
  if (converted.exit_code != 0) return expect_one_line(converted, 1, "tokenizer");
  expect_one_line(run_program({"run", model, "-p", "a"}), 1, "no valid SentencePiece model");
}

class WrongCommandLineTest : public testing::TestWithParam<std::vector<std::string>> {};

TEST_P(WrongCommandLineTest, IsOneLineAndExitCode2) {
  expect_one_line(run_program(GetParam()), 2, "--help");
}

using Arguments = std::vector<std::string>;
INSTANTIATE_TEST_SUITE_P(
    Cases, WrongCommandLineTest,
    testing::Values(
        Arguments{"nonsense"}, Arguments{"--nonsense"}, Arguments{"run"}, Arguments{"run", "m.8vo"},
        Arguments{"run", "m.8vo", "-p", "a", "-f", "b"}, Arguments{"run", "m.8vo", "-p"},
        Arguments{"run", "m.8vo", "-p", "a", "-t", "0"},
        Arguments{"run", "m.8vo", "-p", "a", "-t", "-3"},
        Arguments{"run", "m.8vo", "-p", "a", "-t", "two"},
        Arguments{"run", "m.8vo", "-p", "a", "-n", "-2"},
        Arguments{"run", "m.8vo", "-p", "a", "-n", "1.5"},
        Arguments{"run", "m.8vo", "-p", "a", "--temp", "-1"},
        Arguments{"run", "m.8vo", "-p", "a", "--top-k", "-1"},
        Arguments{"run", "m.8vo", "-p", "a", "--top-p", "1.5"},
        Arguments{"run", "m.8vo", "-p", "a", "--min-p", "-0.5"},
        Arguments{"run", "m.8vo", "-p", "a", "--repeat-penalty", "0"},
        Arguments{"run", "m.8vo", "-p", "a", "--seed", "x"},
        Arguments{"run", "m.8vo", "-p", "a", "--ctx", "0"},
        Arguments{"run", "m.8vo", "-p", "a", "extra"}, Arguments{"tokenize", "m.8vo"},
        Arguments{"eval", "m.8vo", "--ids", "a"}, Arguments{"eval", "m.8vo", "--logits", "a"},
        Arguments{"perplexity", "m.8vo"}, Arguments{"perplexity", "m.8vo", "-f", "a", "--ctx", "2"},
        Arguments{"convert"}, Arguments{"convert", "a"}, Arguments{"inspect"}, Arguments{"synth"},
        Arguments{"bench"}, Arguments{"bench", "m.8vo", "-p", "-1"},
        Arguments{"bench", "m.8vo", "-t", "0"}, Arguments{"bench", "m.8vo", "-t", "-1"},
        Arguments{"bench", "m.8vo", "-t", "x"}, Arguments{"bench", "m.8vo", "-t", "1025"},
        Arguments{"perplexity", "m.8vo", "-f", "a", "-t", "0"},
        Arguments{"perplexity", "m.8vo", "-f", "a", "-t", "-1"},
        Arguments{"perplexity", "m.8vo", "-f", "a", "-t", "2.5"},
        Arguments{"bench", "m.8vo", "-r", "0"}, Arguments{"bench", "m.8vo", "-p", "0", "-n", "0"},
        Arguments{"convert", "a", "--to", "b", "--type", "q9"}));

TEST(HelpTest, NoArgumentsShowTheCommands) {
  const Outcome outcome = run_program({});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("perplexity"));
}

TEST(HelpTest, EveryCommandHasHelp) {
  const Outcome all = run_program({"--help"});
  EXPECT_EQ(all.exit_code, 0);
  EXPECT_EQ(all.err, "");
  for (const char* command : {"convert", "run", "tokenize", "eval", "perplexity", "passkey",
                              "calibrate", "inspect", "synth", "bench"}) {
    EXPECT_THAT(all.out, HasSubstr(command));
    const Outcome outcome = run_program({command, "--help"});
    EXPECT_EQ(outcome.exit_code, 0) << command;
    EXPECT_THAT(outcome.out, HasSubstr("Usage: octavo " + std::string(command)));
  }
}

TEST(HelpTest, VersionIsOneLine) {
  const Outcome outcome = run_program({"--version"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, testing::MatchesRegex("octavo [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

}  // namespace
}  // namespace octavo::test
