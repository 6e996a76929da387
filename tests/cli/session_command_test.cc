// octavo run with a session file, as a user sees it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "cli/program.h"
#include "octavo/octavo.hpp"

namespace octavo::test {
namespace {

using testing::HasSubstr;

class SessionCommandTest : public testing::Test {
 protected:
  Outcome run(std::vector<std::string> arguments, bool with_session = true) const {
    const std::vector<std::string> first = {"run", pocket_.path(), "--temp", "0"};
    arguments.insert(arguments.begin(), first.begin(), first.end());
    if (with_session) arguments.insert(arguments.end(), {"--session", session_});
    return run_program(arguments);
  }
  /// About 1200 tokens.
  static std::string long_text() {
    std::string text;
    for (int i = 0; i < 100; ++i) {
      text += "The river ran down to house ";
      text += std::to_string(i);
      text += ". ";
    }
    return text;
  }
  static std::string line_end_gone(std::string text) {
    if (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }

  const ConvertedPocket pocket_{"q4_0"};
  const std::string session_ = pocket_.file("session");
};

TEST_F(SessionCommandTest, TheSameCommandAgainComputesNothingAndSaysTheSame) {
  const std::vector<std::string> arguments = {"-p", long_text(), "-n", "12", "--stats"};
  const Outcome first = run(arguments), second = run(arguments);
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.err, HasSubstr("reused         0 tokens of the prompt"));
  EXPECT_EQ(second.out, first.out);
  EXPECT_THAT(second.err, HasSubstr("prompt         0 tokens"));
  EXPECT_EQ(run(arguments, false).out, first.out);
}

TEST_F(SessionCommandTest, AnotherPromptReusesWhatIsAlike) {
  const Model model = Model::open(pocket_.path());
  run({"-p", long_text(), "-n", "12"});
  const std::string other = long_text() + "And then";
  const Outcome outcome = run({"-p", other, "-n", "12", "--stats"});
  const auto a = model.tokenize(long_text()), b = model.tokenize(other);
  const auto common = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
  EXPECT_THAT(outcome.err, HasSubstr(fmt::format(" {} tokens of the prompt", common)));
  EXPECT_THAT(run({"-p", "Something else", "-n", "2", "--stats"}).err,
              HasSubstr("reused         1 tokens"));  // the beginning of all texts
}

TEST_F(SessionCommandTest, GoesOnWhereItWasAsOneRunWould) {
  const std::string whole = run({"-p", "Once upon a time", "-n", "60"}, false).out;
  std::string text =
      line_end_gone(run({"-p", "Once upon a time", "-n", "20", "--session-all"}).out);
  text += line_end_gone(run({"-n", "25", "--session-all"}).out);
  text += line_end_gone(run({"-n", "15", "--session-all"}).out);
  EXPECT_EQ(text + "\n", whole);
}

TEST_F(SessionCommandTest, WithoutSessionAllTheFileHasThePromptAlone) {
  const Outcome first = run({"-p", "Once upon a time", "-n", "20"});
  const std::string bytes = read_file(session_);
  EXPECT_EQ(run({"-n", "20"}).out, first.out);
  EXPECT_EQ(read_file(session_), bytes);
  const Model model = Model::open(pocket_.path());
  const Session session = Session::restore(model, session_);
  EXPECT_EQ(std::vector<int32_t>(session.tokens().begin(), session.tokens().end()),
            model.tokenize("Once upon a time"));
}

TEST_F(SessionCommandTest, IsRefusedByAnotherModel) {
  run({"-p", "Once", "-n", "1"});
  const ConvertedPocket other("q8_0");
  const Outcome outcome = run_program({"run", other.path(), "-p", "Once", "--session", session_});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("is a session of mixtral in q4_0"));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
}

TEST_F(SessionCommandTest, WrongCommandLines) {
  EXPECT_EQ(run({"-n", "5"}, false).exit_code, 2);
  EXPECT_EQ(run({"-p", "A", "--session-all"}, false).exit_code, 2);
  EXPECT_EQ(run({"-p", "A", "--keep", "5"}, false).exit_code, 2);
  const Outcome nothing = run({"-n", "5"});
  EXPECT_EQ(nothing.exit_code, 1);
  EXPECT_THAT(nothing.err, HasSubstr("give -p TEXT or -f FILE"));
  const Outcome nowhere = run({"-p", "A", "--session", pocket_.file("no/where")}, false);
  EXPECT_EQ(nowhere.exit_code, 1);
  EXPECT_EQ(nowhere.out, "");
}

TEST_F(SessionCommandTest, ContextShiftGoesBeyondTheContext) {
  const std::vector<std::string> arguments = {"-p", "Once upon a time", "-n", "100", "--ctx",
                                              "32", "--stats"};
  EXPECT_THAT(run(arguments, false).err, HasSubstr("the context is full"));
  std::vector<std::string> shifting = arguments;
  shifting.insert(shifting.end(), {"--context-shift", "--keep", "6"});
  const Outcome outcome = run(shifting, false);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, testing::Not(HasSubstr("the context is full")));
  shifting[1] = long_text();
  EXPECT_EQ(run(shifting, false).exit_code, 0);
}

// Whenever it comes: the exit code is right and the file, where there is one, holds a part of the
// prompt.
TEST_F(SessionCommandTest, CtrlCKeepsWhatIsComputed) {
  const std::string prompt = pocket_.file("prompt.txt");
  write_file(prompt, long_text());
  const Model model = Model::open(pocket_.path());
  const std::vector<int32_t> ids = model.tokenize(long_text());
  for (const int delay : {5, 30, 60, 100, 150, 300, 600}) {
    std::filesystem::remove(session_);
    Program program({"run", pocket_.path(), "-f", prompt, "-n", "-1", "-t", "1", "--temp", "0",
                     "--session", session_});
    std::this_thread::sleep_for(std::chrono::milliseconds(delay));
    program.send(SIGINT);
    const Outcome outcome = program.finish();
    if (outcome.signal == SIGINT) continue;  // it had not begun
    if (outcome.exit_code == 0) break;       // a machine that was too fast for us
    ASSERT_EQ(outcome.exit_code, 130) << outcome.err;
    if (!std::filesystem::exists(session_)) continue;
    const Session session = Session::restore(model, session_);
    ASSERT_LE(session.tokens().size(), ids.size());
    EXPECT_TRUE(std::equal(session.tokens().begin(), session.tokens().end(), ids.begin()));
    if (session.tokens().size() < ids.size()) {
      EXPECT_THAT(outcome.err, HasSubstr("the same command goes on"));
      EXPECT_EQ(outcome.out, "");
    }
  }
  const Outcome rest = run({"-f", prompt, "-n", "5"});
  EXPECT_EQ(rest.exit_code, 0);
  EXPECT_EQ(rest.out, run({"-f", prompt, "-n", "5"}, false).out);
}

}  // namespace
}  // namespace octavo::test
