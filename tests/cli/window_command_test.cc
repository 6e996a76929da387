// --window as a user meets it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "cli/program.h"
#include "convert/checkpoint_tools.h"

namespace octavo::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

int64_t lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

/// tiny-mixtral with the window of the first configs.
class EarlyMixtral : public ::testing::Test {
 protected:
  EarlyMixtral() {
    copy_.edit_json("config.json", [](nlohmann::json& json) { json["sliding_window"] = 4096; });
  }
  Outcome convert(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"convert", copy_.path().string(), "--to", out_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments);
  }

  const CheckpointCopy copy_{test_data("tiny-mixtral/hf")};
  const TempDir folder_;
  const std::string out_ = folder_.file("out.8vo");
};

TEST_F(EarlyMixtral, OneLineSaysThatItsWindowIsIgnored) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--dry-run"}, {"--dry-run", "--json"}, {}}) {
    const Outcome outcome = convert(arguments);
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_THAT(outcome.err, AllOf(StartsWith("octavo: "), HasSubstr("window of 4096 is ignored")));
    EXPECT_EQ(lines(outcome.err), 1) << outcome.err;
    const bool as_json = arguments.size() == 2;
    EXPECT_THAT(outcome.out, HasSubstr(as_json ? R"("window": 0)" : ", no window\n"));
  }
  EXPECT_THAT(run_program({"inspect", out_}).out, HasSubstr(", no window\n"));
  const Outcome synth = run_program({"synth", folder_.file("s.8vo"), "--config",
                                     copy_.file("config.json").string(), "--layers", "1"});
  EXPECT_EQ(synth.exit_code, 0);
  EXPECT_THAT(synth.err, HasSubstr("window of 4096 is ignored"));
  EXPECT_EQ(ModelFile(folder_.file("s.8vo")).config().window, 0);
}

TEST_F(EarlyMixtral, AskedForItIsUsedAndShown) {
  for (const bool dry_run : {true, false}) {
    const Outcome outcome =
        dry_run ? convert({"--window", "33", "--dry-run"}) : convert({"--window", "33"});
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.err, "");
    EXPECT_THAT(outcome.out, AllOf(HasSubstr(", sliding window of 33\n"),
                                   HasSubstr("note     a sliding window of 33 as asked for")));
  }
  EXPECT_THAT(run_program({"inspect", out_}).out, HasSubstr(", sliding window of 33\n"));
  const Outcome json = run_program({"inspect", out_, "--json"});
  EXPECT_EQ(nlohmann::json::parse(json.out)["config"]["window"], 33);
  EXPECT_THAT(convert({"--window", "33", "--dry-run", "--json"}).out, HasSubstr(R"("window": 33)"));
}

TEST_F(EarlyMixtral, WindowsThatCannotBe) {
  for (const char* wrong : {"-1", "many", "1.5", ""}) {
    EXPECT_EQ(convert({"--window", wrong}).exit_code, 2) << wrong;
  }
  const Outcome outcome = convert({"--window", "257"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(lines(outcome.err), 1);
  EXPECT_THAT(outcome.err,
              AllOf(StartsWith("octavo: "), HasSubstr("window of 257"), HasSubstr("256")));
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(EarlyMixtral, NothingToResumeIsSaid) {
  const Outcome outcome = convert({"--window", "8", "--resume"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(lines(outcome.err), 1) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(StartsWith("octavo: there is nothing to resume"),
                                 HasSubstr("out.8vo.part"), HasSubstr("from the beginning")));
}

/// pocket-mixtral run with a window that its file has not.
class RunTimeWindow : public ::testing::Test {
 protected:
  Outcome run(const std::vector<std::string>& command, const char* window) const {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.begin() + 1, pocket_.path());
    if (*window != '\0') arguments.insert(arguments.end(), {"--window", window});
    return run_program(arguments);
  }

  const ConvertedPocket pocket_;
};

TEST_F(RunTimeWindow, ChangesWhatIsComputed) {
  const std::string text = read_file(OCTAVO_SOURCE_DIR "/LICENSE").substr(0, 900);
  write_file(pocket_.file("text.txt"), text);
  write_file(pocket_.file("ids.json"), "[1, 70, 80, 90, 100, 110, 120, 130]");
  const auto logits = [this](const char* window) {
    const Outcome outcome = run({"eval", "--ids", pocket_.file("ids.json"), "--logits",
                                 pocket_.file("logits.npy"), "-t", "1"},
                                window);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return read_file(pocket_.file("logits.npy"));
  };
  const auto perplexity = [this](const char* window) {
    return run({"perplexity", "-f", pocket_.file("text.txt"), "--ctx", "64"}, window).out;
  };
  const auto greedy = [&](const char* window) {
    return run({"run", "-p", text, "-n", "20", "--temp", "0"}, window).out;
  };
  EXPECT_EQ(logits(""), logits("0"));
  EXPECT_EQ(logits(""), logits("8"));  // all 8 are in it
  EXPECT_NE(logits(""), logits("3"));
  EXPECT_EQ(perplexity(""), perplexity("0"));
  EXPECT_NE(perplexity(""), perplexity("5"));
  EXPECT_EQ(greedy(""), greedy("0"));
  EXPECT_NE(greedy(""), greedy("4"));
}

TEST_F(RunTimeWindow, BenchCountsTheKeysInIt) {
  const auto bytes = [this](const char* window) {
    const Outcome outcome =
        run({"bench", "-p", "0", "-n", "2", "-d", "300", "-r", "1", "--json"}, window);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out);
  };
  const nlohmann::json whole = bytes(""), windowed = bytes("16");
  EXPECT_GT(whole["bytes_per_token"].get<double>(), windowed["bytes_per_token"].get<double>());
  EXPECT_GT(whole["cache_bytes"].get<int64_t>(), 2 * windowed["cache_bytes"].get<int64_t>());
}

TEST_F(RunTimeWindow, LongerThanTheContextIsRefused) {
  write_file(pocket_.file("ids.json"), "[1]");
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"run", "-p", "a"},
           {"eval", "--ids", pocket_.file("ids.json"), "--logits", pocket_.file("x.npy")},
           {"perplexity", "-f", OCTAVO_SOURCE_DIR "/LICENSE"},
           {"bench", "-p", "8", "-n", "0"}}) {
    const Outcome outcome = run(command, "2049");
    EXPECT_EQ(outcome.exit_code, 1) << command.front();
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(lines(outcome.err), 1) << outcome.err;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("window of 2049"), HasSubstr("context of 2048")));
    EXPECT_EQ(run(command, "-1").exit_code, 2) << command.front();
  }
}

}  // namespace
}  // namespace octavo::test
