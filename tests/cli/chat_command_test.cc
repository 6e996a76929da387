// octavo chat through a pipe, as a script sees it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "cli/program.h"
#include "octavo/octavo.hpp"

namespace octavo::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

class ChatCommandTest : public testing::Test {
 protected:
  /// Lines to `octavo chat`, greedy and short.
  Outcome chat(const std::string& lines, std::vector<std::string> arguments = {}) const {
    arguments.insert(arguments.begin(), {"chat", pocket_.path(), "--temp", "0", "-n", "6"});
    write_file(pocket_.file("input"), lines);
    return Program(arguments, Program::Input{pocket_.file("input")}).finish();
  }
  /// What the library answers, turn by turn, each time from the whole conversation.
  std::vector<std::string> answers(const std::vector<std::string>& questions,
                                   const std::string& system = "") const {
    const Model model = Model::open(pocket_.path());
    std::vector<ChatMessage> messages;
    if (!system.empty()) messages.push_back({"system", system});
    std::vector<std::string> result;
    for (const std::string& question : questions) {
      messages.push_back({"user", question});
      Session session(model);
      std::vector<int32_t> ids;
      generate(session, model.encode_chat(messages), {.max_tokens = 6}, {.temperature = 0},
               [&ids](const Token& token) {
                 ids.push_back(token.id);
                 return true;
               });
      result.push_back(model.detokenize(ids));
      messages.push_back({"assistant", result.back()});
    }
    return result;
  }

  const ConvertedPocket pocket_;
};

TEST_F(ChatCommandTest, EachLineIsAMessageAndAnswersAloneAreTheOutput) {
  const auto expected = answers({"Once upon a time", "And then?"});
  const Outcome outcome = chat("Once upon a time\n\nAnd then?");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out, expected[0] + "\n" + expected[1] + "\n");
}

TEST_F(ChatCommandTest, TheFirstMessageAndTheSystemPromptComeFromTheCommandLine) {
  const std::string safe(kGuardrailPrompt);
  EXPECT_EQ(chat("", {"-p", "Hello", "--safe"}).out, answers({"Hello"}, safe)[0] + "\n");
  EXPECT_EQ(chat("/system Be kind.\nHello\n").out, answers({"Hello"}, "Be kind.")[0] + "\n");
  write_file(pocket_.file("first"), "Two\nlines");
  EXPECT_EQ(chat("", {"-f", pocket_.file("first"), "--system", "Be kind."}).out,
            answers({"Two\nlines"}, "Be kind.")[0] + "\n");
}

TEST_F(ChatCommandTest, ALineCanGoOnAndBeginWithASlash) {
  EXPECT_EQ(chat("Two\\\nlines\n").out, answers({"Two\nlines"})[0] + "\n");
  EXPECT_EQ(chat("//usr\n").out, answers({"/usr"})[0] + "\n");
}

TEST_F(ChatCommandTest, TurnsComputeOnlyWhatIsNew) {
  const Outcome outcome = chat("A long first message with many words in it\n/stats\nB\n/stats\n");
  EXPECT_EQ(outcome.exit_code, 0);
  const Model model = Model::open(pocket_.path());
  const auto first = model.encode_chat(
      std::vector<ChatMessage>{{"user", "A long first message with many words in it"}});
  const auto count_after = [&outcome](size_t from) {
    const size_t at = outcome.err.find("question", from);
    return std::stoi(outcome.err.substr(at + 8));
  };
  EXPECT_EQ(count_after(0), static_cast<int>(first.size()));
  // EOS, the second question, and at most the answer's last token or a few that encode otherwise.
  EXPECT_LT(count_after(outcome.err.find("question") + 8), 24) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("4 messages, 2 answers"));
}

TEST_F(ChatCommandTest, ResetForgetsAndHelpLists) {
  const auto expected = answers({"Hello"});
  EXPECT_EQ(chat("Hello\n/reset\nHello\n").out, expected[0] + "\n" + expected[0] + "\n");
  const Outcome help = chat("/help\n/exit\nnever read\n");
  EXPECT_EQ(help.out, "");
  for (const char* name :
       {"/reset", "/save FILE", "/load FILE", "/system TEXT", "/stats", "/exit"}) {
    EXPECT_THAT(help.err, HasSubstr(name));
  }
}

TEST_F(ChatCommandTest, AConversationIsSavedAndGoneOnWith) {
  const auto expected = answers({"Hello", "And then?"}, "Be kind.");
  const std::string file = pocket_.file("talk.json");
  EXPECT_EQ(chat("Hello\n/save " + file + "\n", {"--system", "Be kind."}).exit_code, 0);
  const nlohmann::json saved = read_json(file);
  EXPECT_EQ(saved["messages"].size(), 3u);
  EXPECT_EQ(saved["messages"][2]["content"], expected[0]);
  EXPECT_EQ(chat("/load " + file + "\nAnd then?\n").out, expected[1] + "\n");
}

TEST_F(ChatCommandTest, ASessionFileGoesOnWithoutComputingAnew) {
  const auto expected = answers({"Hello", "And then?"});
  const std::string file = pocket_.file("talk");
  EXPECT_EQ(chat("Hello\n", {"--session", file}).out, expected[0] + "\n");
  const Outcome outcome = chat("And then?\n/stats\n", {"--session", file});
  EXPECT_EQ(outcome.out, expected[1] + "\n");
  EXPECT_LT(std::stoi(outcome.err.substr(outcome.err.find("question") + 8)), 24) << outcome.err;
}

TEST_F(ChatCommandTest, FailuresEndAScriptWithOneLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"/nonsense\n", "there is no command /nonsense; /help lists them"},
      {"/save\n", "/save needs the name of a file"},
      {"/reset now\n", "/reset takes nothing behind it"},
      {"/load /nowhere/x\n", "cannot open /nowhere/x"},
      {"/save /nowhere/x\n", "cannot create /nowhere/x"},
  };
  for (const auto& [lines, what] : cases) {
    const Outcome outcome = chat(lines);
    EXPECT_EQ(outcome.exit_code, 1) << lines;
    EXPECT_THAT(outcome.err, HasSubstr(std::string("octavo: ") + what));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
  }
  const std::string file = pocket_.file("other");
  for (const char* text : {"{", "{}", R"({"format": "octavo-conversation", "version": 2})",
                           R"({"format": "octavo-conversation", "version": 1,
                               "messages": [{"role": "user", "content": "a"}]})",
                           R"({"format": "octavo-conversation", "version": 1,
                               "messages": [{"role": "robot", "content": "a"}]})"}) {
    write_file(file, text);
    EXPECT_EQ(chat("/load " + file + "\n").exit_code, 1) << text;
  }
}

TEST_F(ChatCommandTest, TemplatesAreChosenAndRefused) {
  const std::string file = pocket_.file("template");
  write_file(file, "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}");
  const Model model = Model::open(pocket_.path());
  Session session(model);
  std::vector<int32_t> ids;
  generate(session, model.tokenize("Once upon"), {.max_tokens = 6}, {.temperature = 0},
           [&ids](const Token& token) {
             ids.push_back(token.id);
             return true;
           });
  EXPECT_EQ(chat("Once upon\n", {"--template", file}).out, model.detokenize(ids) + "\n");
  EXPECT_EQ(chat("Hello\n", {"--template", "mistral-v1"}).out, answers({"Hello"})[0] + "\n");

  write_file(file, "\n{% macro f() %}{% endmacro %}");
  const Outcome outcome = chat("Hello\n", {"--template", file});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("the statement 'macro' in line 2"));
  EXPECT_THAT(outcome.err, HasSubstr("--template mistral-v1"));
  EXPECT_EQ(chat("", {"--safe", "--system", "x"}).exit_code, 2);
}

TEST_F(ChatCommandTest, AFullContextSaysWhatToDo) {
  const std::string lines = "One two three four five six\nSeven eight nine ten\nEleven twelve\n";
  const Outcome full = chat(lines, {"--ctx", "40"});
  EXPECT_EQ(full.exit_code, 1);
  EXPECT_THAT(full.err, HasSubstr("does not fit the context of 40; /reset starts anew"));
  const Outcome shifted = chat(lines, {"--ctx", "40", "--context-shift"});
  EXPECT_EQ(shifted.exit_code, 0) << shifted.err;
  EXPECT_THAT(shifted.err, HasSubstr("turns went, to make room"));
}

TEST_F(ChatCommandTest, CtrlCEndsAScript) {
  write_file(pocket_.file("input"), "Hello\nnever read\n");
  Program program({"chat", pocket_.path(), "--temp", "20", "--top-k", "0", "--top-p", "1",
                   "--min-p", "0", "--seed", "1"},
                  Program::Input{pocket_.file("input")});
  ASSERT_FALSE(program.read_some().empty());
  program.send(SIGINT);
  const Outcome outcome = program.finish();
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_THAT(outcome.out, EndsWith("\n"));
}

TEST(ChatErrorsTest, AModelWithoutATokenizerIsRefused) {
  TempDir folder;
  const std::string path = folder.file("m.8vo");
  ASSERT_EQ(run_program({"convert", test_data("tiny-mixtral/hf").string(), "--to", path}).exit_code,
            0);
  const Outcome outcome = run_program({"chat", path});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("has no tokenizer"));
}

}  // namespace
}  // namespace octavo::test
