// octavo chat in a terminal: Ctrl-C, Ctrl-D, several lines, pasting, history.
#include <gtest/gtest.h>

#include "cli/program.h"
#include "cli/terminal.h"

namespace octavo::test {
namespace {

const std::string kCtrlC = "\x03", kCtrlD = "\x04", kUp = "\x1b[A";

class ChatTerminalTest : public testing::Test {
 protected:
  std::vector<std::string> arguments(const std::string& tokens) const {
    return {"chat", pocket_.path(), "-n", tokens,    "--temp", "20",     "--top-k",
            "0",    "--top-p",      "1",  "--min-p", "0",      "--seed", "1"};
  }
  std::vector<std::string> saved_contents() const {
    std::vector<std::string> contents;
    const nlohmann::json saved = read_json(file_);
    for (const auto& message : saved["messages"]) contents.push_back(message["content"]);
    return contents;
  }

  const ConvertedPocket pocket_;
  const std::string file_ = pocket_.file("talk.json");
};

TEST_F(ChatTerminalTest, CtrlCStopsTheAnswerAndNotTheProgram) {
  Terminal terminal(arguments("-1"));
  ASSERT_NE(terminal.wait_for("> "), "");
  terminal.type("Hello\r");
  ASSERT_NE(terminal.wait_for("\r\n"), "");
  // Some of the answer is there: it goes on until the context is full, or until it is stopped.
  ASSERT_NE(terminal.wait_for(" "), "");
  terminal.type(kCtrlC);
  ASSERT_NE(terminal.wait_for("[stopped]"), "");
  ASSERT_NE(terminal.wait_for("> "), "");
  terminal.type("/save " + file_ + "\r");
  ASSERT_NE(terminal.wait_for("[saved"), "");
  terminal.type("/exit\r");
  EXPECT_EQ(terminal.finish(), 0);
  ASSERT_EQ(saved_contents().size(), 2u);
  EXPECT_EQ(saved_contents()[0], "Hello");
}

TEST_F(ChatTerminalTest, AtThePromptCtrlCClearsTheLineAndCtrlDLeaves) {
  Terminal terminal(arguments("1"));
  ASSERT_NE(terminal.wait_for("> "), "");
  terminal.type("not this");
  ASSERT_NE(terminal.wait_for("this"), "");
  terminal.type(kCtrlC);
  ASSERT_NE(terminal.wait_for("> "), "");
  terminal.type("but this\r");
  ASSERT_NE(terminal.wait_for("> "), "");
  terminal.type("/save " + file_ + "\r");
  ASSERT_NE(terminal.wait_for("[saved"), "");
  ASSERT_NE(terminal.wait_for("> "), "");
  terminal.type(kCtrlD);
  EXPECT_EQ(terminal.finish(), 0);
  EXPECT_EQ(saved_contents()[0], "but this");
}

TEST_F(ChatTerminalTest, SeveralLinesAreOneMessage) {
  Terminal terminal(arguments("1"));
  ASSERT_NE(terminal.wait_for("> "), "");
  terminal.type("one\\\r");
  ASSERT_NE(terminal.wait_for("… "), "");
  terminal.type("two\r");
  ASSERT_NE(terminal.wait_for("> "), "");
  if (std::string(OCTAVO_LINE_EDITING) == "TRUE") {
    terminal.type("\x1b[200~pasted é\rand more\x1b[201~ end\r");
    ASSERT_NE(terminal.wait_for("> "), "");
    terminal.type("a\x1b\rb\r");  // Alt-Enter
    ASSERT_NE(terminal.wait_for("> "), "");
    terminal.type(kUp + kUp + kUp + "!\r");  // the first message again
    ASSERT_NE(terminal.wait_for("> "), "");
  }
  terminal.type("/save " + file_ + "\r");
  ASSERT_NE(terminal.wait_for("[saved"), "");
  terminal.type("/exit\r");
  EXPECT_EQ(terminal.finish(), 0);
  const std::vector<std::string> contents = saved_contents();
  EXPECT_EQ(contents[0], "one\ntwo");
  if (std::string(OCTAVO_LINE_EDITING) != "TRUE") return;
  ASSERT_EQ(contents.size(), 8u);
  EXPECT_EQ(contents[2], "pasted é\nand more end");
  EXPECT_EQ(contents[4], "a\nb");
  EXPECT_EQ(contents[6], "one\ntwo!");
}

TEST_F(ChatTerminalTest, AnErrorIsOneLineAndTheConversationGoesOn) {
  Terminal terminal(arguments("1"));
  ASSERT_NE(terminal.wait_for("> "), "");
  terminal.type("/load /nowhere\r");
  ASSERT_NE(terminal.wait_for("octavo: cannot open /nowhere"), "");
  ASSERT_NE(terminal.wait_for("> "), "");
  terminal.type("/exit\r");
  EXPECT_EQ(terminal.finish(), 0);
}

}  // namespace
}  // namespace octavo::test
