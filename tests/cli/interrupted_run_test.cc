// Ctrl-C, a kill, and a reader that goes away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "cli/program.h"
#include "octavo/synthesize.hpp"
#include "support/checkpoint.h"
#include "support/random.h"
#include "text/utf8_stream.h"

namespace octavo::test {
namespace {

std::vector<std::string> endless_run(const ConvertedPocket& pocket) {
  // The model's own context is far longer than the test looks.
  return {"run", pocket.path(), "-p", "The",     "-n", "-1",     "--temp", "20",     "--top-k",
          "0",   "--top-p",     "1",  "--min-p", "0",  "--seed", "1",      "--stats"};
}

TEST(InterruptedRunTest, CtrlCEndsTheTextWithALineEnd) {
  const ConvertedPocket pocket;
  Program program(endless_run(pocket));
  std::string text = program.read_some();
  ASSERT_FALSE(text.empty());
  program.send(SIGINT);
  const Outcome outcome = program.finish();
  text += outcome.out;
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_THAT(text, testing::EndsWith("\n"));
  EXPECT_THAT(outcome.err, testing::HasSubstr("interrupted"));
  Utf8Stream stream;
  EXPECT_EQ(stream.add(text) + stream.finish(), text);
}

TEST(InterruptedRunTest, CtrlCBeforeTheFirstTokenLeavesAtOnce) {
  const ConvertedPocket pocket;
  // A pipe that nobody writes to: the program waits for its prompt.
  const std::string prompt = pocket.file("prompt");
  ASSERT_EQ(::mkfifo(prompt.c_str(), 0600), 0);
  Program program({"run", pocket.path(), "-f", prompt});
  const int writer = ::open(prompt.c_str(), O_WRONLY);  // returns when the program has opened it
  ASSERT_GE(writer, 0);
  program.send(SIGINT);
  const Outcome outcome = program.finish();
  ::close(writer);
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_EQ(outcome.out + outcome.err, "");
}

TEST(InterruptedRunTest, AClosedPipeEndsItQuietly) {
  const ConvertedPocket pocket;
  Program program(endless_run(pocket));
  ASSERT_FALSE(program.read_some().empty());
  program.close_output();
  const Outcome outcome = program.finish();
  EXPECT_EQ(outcome.signal, SIGPIPE);
  EXPECT_EQ(outcome.err, "");
}

/// A checkpoint that takes a second or two to convert, and the file that an uninterrupted run makes
/// of it.
class InterruptedConversionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ModelConfig config = mixtral_8x7b_config();
    config.dim = 512;
    config.layers = 4;
    config.heads = 8;
    config.kv_heads = 2;
    config.head_dim = 64;
    config.ffn_dim = 512;
    config.vocab = 1000;
    write_random_checkpoint(folder.path() / "source", config, 1, Format::kBF16);
    const Outcome outcome = Program(arguments("expected.8vo", false)).finish();
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    expected = read_file(folder.file("expected.8vo"));
  }

  std::vector<std::string> arguments(const std::string& name, bool resume) const {
    std::vector<std::string> list = {
        "convert", folder.file("source"), "--to", folder.file(name), "--type", "q4_k", "-t", "1"};
    if (resume) list.push_back("--resume");
    return list;
  }
  /// Waits until the journal notes more than `lines` lines or a while has passed; returns them.
  size_t wait_for_journal(size_t lines) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (size_t now = 0;; std::this_thread::sleep_for(std::chrono::milliseconds(2))) {
      if (std::filesystem::exists(output)) return lines;
      if (std::filesystem::exists(journal)) {
        const std::string text = read_file(journal);
        now = static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
      }
      if (now > lines || std::chrono::steady_clock::now() > end) return now;
    }
  }
  void go_on() const {
    const Outcome outcome = Program(arguments("out.8vo", true)).finish();
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_TRUE(read_file(output) == expected);
    EXPECT_FALSE(std::filesystem::exists(output + ".part"));
    EXPECT_FALSE(std::filesystem::exists(journal));
  }

  const TempDir folder;
  const std::string output = folder.file("out.8vo"), journal = output + ".part.journal";
  std::string expected;
};

TEST_F(InterruptedConversionTest, CtrlCKeepsWhatIsDone) {
  for (const int signal : {SIGINT, SIGTERM}) {
    std::filesystem::remove(output);
    Program program(arguments("out.8vo", false));
    wait_for_journal(1);  // a tensor is done, and most are not
    program.send(signal);
    const Outcome outcome = program.finish();
    ASSERT_EQ(outcome.exit_code, 130) << outcome.err;
    EXPECT_THAT(outcome.err, testing::HasSubstr("continue with --resume"));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
    EXPECT_FALSE(std::filesystem::exists(output));
    EXPECT_GT(wait_for_journal(0), 1u);
    go_on();
  }
}

TEST_F(InterruptedConversionTest, KilledAtRandomPoints) {
  Random random(7);
  size_t lines = 1;
  for (int kill = 0; kill < 4; ++kill) {
    Program program(arguments("out.8vo", true));
    if (kill % 2 == 0) lines = std::max(lines, wait_for_journal(lines));
    std::this_thread::sleep_for(std::chrono::milliseconds(random.below(200)));
    program.send(SIGKILL);
    program.finish();
    if (std::filesystem::exists(output)) break;  // a machine that was too fast for us
  }
  go_on();
}

TEST_F(InterruptedConversionTest, TwoAtOnceDoNotMeet) {
  Program first(arguments("out.8vo", false));
  wait_for_journal(0);
  const Outcome second = Program(arguments("out.8vo", true)).finish();
  const Outcome outcome = first.finish();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(read_file(output) == expected);
  if (second.exit_code == 0) return;  // it came after the first
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.err, testing::HasSubstr("is being written by another process"));
}

}  // namespace
}  // namespace octavo::test
