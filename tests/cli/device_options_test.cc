// --device, --gpu-layers and --gpu-experts, on machines with a card and without.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "cli/program.h"
#include "octavo/error.hpp"
#include "octavo/machine.hpp"

namespace octavo::test {
namespace {

using ::testing::HasSubstr;

/// Why there is no card; empty: there is one.
std::string missing_card() {
  try {
    device_memory("cuda");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

bool is_one_line(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n') == 1 && text.ends_with('\n');
}

TEST(DeviceOptionsTest, WithoutACardEveryCommandSaysSoInOneLine) {
  const std::string missing = missing_card();
  if (missing.empty()) GTEST_SKIP() << "skipped: this machine has a CUDA device";
  const ConvertedPocket pocket;
  const TempDir folder;
  write_file(folder.file("ids.json"), "[1, 2, 3]");
  const std::vector<std::vector<std::string>> commands = {
      {"run", pocket.path(), "-p", "Once"},
      {"chat", pocket.path()},
      {"eval", pocket.path(), "--ids", folder.file("ids.json"), "--logits", folder.file("o.npy")},
      {"perplexity", pocket.path(), "-f", folder.file("ids.json")},
      {"passkey", pocket.path()},
      {"bench", pocket.path()}};
  for (std::vector<std::string> command : commands) {
    command.insert(command.end(), {"--device", "cuda"});
    const Outcome outcome = run_program(command);
    EXPECT_EQ(outcome.exit_code, 1) << command[0];
    EXPECT_EQ(outcome.out, "") << command[0];
    EXPECT_EQ(outcome.err, "octavo: " + missing + "\n") << command[0];
  }
  EXPECT_FALSE(std::filesystem::exists(folder.file("o.npy")));
}

TEST(DeviceOptionsTest, AShareOfAModelNeedsAGpu) {
  const ConvertedPocket pocket;
  for (const std::vector<std::string>& option :
       {std::vector<std::string>{"--gpu-layers", "2"}, {"--gpu-experts", "CPU"}}) {
    std::vector<std::string> command = {"run", pocket.path(), "-p", "Once"};
    command.insert(command.end(), option.begin(), option.end());
    const Outcome outcome = run_program(command);
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("with device cuda alone, not cpu"));
    EXPECT_TRUE(is_one_line(outcome.err)) << outcome.err;
  }
  const Outcome where =
      run_program({"run", pocket.path(), "-p", "Once", "--gpu-experts", "elsewhere"});
  EXPECT_EQ(where.exit_code, 2);
  EXPECT_THAT(where.err, HasSubstr("elsewhere"));
  const Outcome count = run_program({"run", pocket.path(), "-p", "Once", "--gpu-layers", "-2"});
  EXPECT_EQ(count.exit_code, 2);
}

TEST(DeviceOptionsTest, AllLayersOnTheCpuAreNoShare) {
  const ConvertedPocket pocket;
  const Outcome outcome = run_program({"run", pocket.path(), "-p", "Once", "-n", "4", "--temp", "0",
                                       "--gpu-layers", "100", "--gpu-experts", "GPU"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
}

}  // namespace
}  // namespace octavo::test
