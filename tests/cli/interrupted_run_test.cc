// Ctrl-C, and a reader that goes away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "cli/program.h"
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

}  // namespace
}  // namespace octavo::test
