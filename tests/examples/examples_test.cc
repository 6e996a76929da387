// The programs of examples/ on the model that the project ships.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "octavo/octavo.hpp"
#include "support/command.h"
#include "support/converted.h"
#include "support/files.h"

namespace octavo::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class ExamplesTest : public testing::Test {
 protected:
  /// A program with the model as its first argument; `input` is what it reads.
  CommandOutcome run(const std::string& name, const std::string& arguments,
                     const std::string& input = "") {
    write_file(folder_.file("input"), input);
    return run_command(program(name) + " " + file_.path() + " " + arguments + " < " +
                       folder_.file("input"));
  }
  static std::string program(const std::string& name) { return OCTAVO_EXAMPLES "/example_" + name; }

  const Converted file_{pocket_mixtral(), Format::kBF16};
  const Model model_ = Model::open(file_.path());
  TempDir folder_;
};

TEST_F(ExamplesTest, SayHowTheyAreUsed) {
  for (const char* name : {"hello", "chat", "batch_score", "routing_trace", "desktop"}) {
    const CommandOutcome help = run_command(program(name) + " --help");
    EXPECT_EQ(help.exit_code, 0) << name;
    EXPECT_THAT(help.output, StartsWith(std::string("usage: ") + name + " MODEL.8vo"));
  }
  for (const char* name : {"hello", "chat", "batch_score", "routing_trace", "desktop"}) {
    const CommandOutcome none = run_command(program(name));
    EXPECT_EQ(none.exit_code, 2) << name;
    EXPECT_THAT(none.output, StartsWith("usage: ")) << name;
  }
}

TEST_F(ExamplesTest, SayWhatIsWrongWithAModel) {
  for (const char* name : {"hello", "chat", "batch_score", "routing_trace", "desktop"}) {
    const bool takes_more = name == std::string("batch_score") || name[0] == 'r';
    const CommandOutcome outcome =
        run_command(program(name) + " /nowhere.8vo" + (takes_more ? " /dev/null" : ""));
    EXPECT_EQ(outcome.exit_code, 1) << name;
    EXPECT_THAT(outcome.output, StartsWith(name + std::string(": ")));
    EXPECT_THAT(outcome.output, HasSubstr("/nowhere.8vo"));
    EXPECT_EQ(lines_of(outcome.output).size(), 1u) << outcome.output;
  }
}

TEST_F(ExamplesTest, Hello) {
  std::string expected;
  Session session(model_);
  generate(session, model_.tokenize("The cat"), {.max_tokens = 32}, {},
           [&expected](const Token& token) {
             expected += token.text;
             return true;
           });
  EXPECT_EQ(run("hello", "'The cat'").output, expected + "\n");
}

TEST_F(ExamplesTest, ChatAnswersEachLine) {
  std::vector<ChatMessage> messages = {{"system", "Be kind."}};
  std::string expected;
  Session session(model_);
  for (const char* question : {"Once upon a time", "And then?"}) {
    messages.push_back({"user", question});
    std::string answer;
    generate(session, messages, {.max_tokens = 256}, {}, [&answer](const Token& token) {
      answer += token.text;
      return true;
    });
    expected += answer + "\n";
    messages.push_back({"assistant", answer});
  }
  const CommandOutcome outcome =
      run("chat", "'Be kind.'", "Once upon a time\n\nAnd then?");  // without an end of line
  EXPECT_EQ(outcome.output, expected);
  EXPECT_EQ(outcome.exit_code, 0);
}

TEST_F(ExamplesTest, ChatSaysWhatDoesNotFitAndGoesOn) {
  std::string much;
  for (int i = 0; i < 3000; ++i) much += "word ";
  const CommandOutcome outcome = run("chat", "", much + "\nOnce upon a time\n");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.output, HasSubstr("chat: the prompt has "));
  EXPECT_THAT(outcome.output, HasSubstr("the context of 2048"));
  EXPECT_EQ(outcome.output, run("chat", "", much + "\nOnce upon a time\n").output);
}

class BatchScoreTest : public ExamplesTest {
 protected:
  /// log p of `line` after `prefix`, in double, with a softmax of its own.
  double log_likelihood(const std::string& prefix, const std::string& line) {
    Session session(model_);
    std::vector<std::vector<float>> logits(1);
    const auto first = session.feed(model_.tokenize(prefix));
    logits[0].assign(first.begin(), first.end());
    const std::vector<int32_t> ids = model_.tokenize(line, false);
    session.evaluate(ids, 0, [&logits](int64_t, std::span<const float> next) {
      logits.emplace_back(next.begin(), next.end());
    });
    double sum = 0;
    for (size_t i = 0; i < ids.size(); ++i) {
      double total = 0;
      for (const float logit : logits[i]) total += std::exp(double{logit});
      sum += double{logits[i][static_cast<size_t>(ids[i])]} - std::log(total);
    }
    return sum;
  }
};

TEST_F(BatchScoreTest, ScoresEachLine) {
  const std::string text =
      "Once upon a time\n\nThe cat sat on the mat.\nxqz vvv 17\nShe was happy.\nA\n";
  const std::vector<std::string> inputs = lines_of(text);
  write_file(folder_.file("lines"), text);
  for (const std::string prefix : {"", "There was a cat."}) {
    const CommandOutcome outcome = run("batch_score", folder_.file("lines") + " '" + prefix + "'");
    EXPECT_EQ(outcome.exit_code, 0);
    const std::vector<std::string> lines = lines_of(outcome.output);
    ASSERT_EQ(lines.size(), 6u) << outcome.output;  // a head, and all but the empty line
    for (size_t i = 1; i < lines.size(); ++i) {
      std::istringstream stream(lines[i]);
      size_t number = 0;
      double tokens = 0, found = 0, perplexity = 0;
      stream >> number >> tokens >> found >> perplexity;
      ASSERT_EQ(number, i == 1 ? 1 : i + 1);
      const double expected = log_likelihood(prefix, inputs[number - 1]);
      EXPECT_NEAR(found, expected, 1e-4 + 1e-6 * std::abs(expected));
      EXPECT_NEAR(perplexity, std::exp(-expected / tokens), 1e-3 + 1e-5 * perplexity);
      EXPECT_THAT(lines[i], testing::EndsWith("\t" + inputs[number - 1]));
    }
  }
}

TEST_F(BatchScoreTest, OneLineThatDoesNotFitLeavesTheOthers) {
  std::string much;
  for (int i = 0; i < 3000; ++i) much += "word ";
  write_file(folder_.file("lines"), "Hello\n" + much + "\nHello\n");
  const CommandOutcome outcome = run("batch_score", folder_.file("lines"));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.output, HasSubstr("batch_score: line 2: "));
  EXPECT_THAT(outcome.output, HasSubstr("\n1\t"));
  EXPECT_THAT(outcome.output, HasSubstr("\n3\t"));
}

TEST_F(ExamplesTest, RoutingTrace) {
  const std::vector<int32_t> ids = model_.tokenize("Once upon a time");
  std::vector<std::string> expected(ids.size());  // by token, the layers one below the other
  Session session(model_);
  session.trace_routing([&expected](const RoutedToken& routed) {
    char line[100];
    std::snprintf(line, sizeof line, "  layer %2d:   %d %.2f   %d %.2f\n",
                  static_cast<int>(routed.layer), routed.experts[0], routed.weights[0],
                  routed.experts[1], routed.weights[1]);
    expected[static_cast<size_t>(routed.position)] += line;
  });
  session.feed(ids);
  const CommandOutcome outcome = run("routing_trace", "'Once upon a time'");
  EXPECT_EQ(outcome.exit_code, 0);
  for (const std::string& layers : expected) EXPECT_THAT(outcome.output, HasSubstr(layers));
  EXPECT_THAT(outcome.output, HasSubstr("token 1 \"Once\"\n" + expected[1] + "token 2 \"upon\"\n"));
  int64_t chosen = 0, layers = 0;
  for (const std::string& line : lines_of(outcome.output)) {
    int expert = 0, count = 0;
    if (std::sscanf(line.c_str(), " expert %d %d", &expert, &count) == 2) chosen += count;
    layers += line.starts_with("layer ");
  }
  EXPECT_EQ(layers, 6);
  EXPECT_EQ(chosen, static_cast<int64_t>(ids.size()) * 6 * 2);
  const Converted dense(test_data("tiny-mistral-swa/hf"), Format::kF32);
  const CommandOutcome refused =
      run_command(program("routing_trace") + " " + dense.path() + " text");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.output, HasSubstr("no mixture of experts"));
}

/// The number behind `words`; -1: they are not there.
int number_after(const std::string& text, const std::string& words) {
  const size_t at = text.find(words);
  return at == text.npos ? -1 : std::stoi(text.substr(at + words.size()));
}

TEST_F(ExamplesTest, DesktopStopsAnAnswerAndGivesTheNext) {
  const CommandOutcome outcome = run("desktop", "--stop-after 3", "Once upon a time\nAnd then?\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  // The worker is no more than the queue ahead of the window, and one token at work.
  const int stopped = number_after(outcome.output, "\n[stopped after ");
  EXPECT_GE(stopped, 3) << outcome.output;
  EXPECT_LE(stopped, 3 + 8 + 2);
  EXPECT_GT(number_after(outcome.output, "\n[done: "), 0);
}

TEST_F(ExamplesTest, DesktopEndsWhileItAnswers) {
  const CommandOutcome outcome = run("desktop", "", "Once upon a time\n/quit\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  const CommandOutcome stopped = run("desktop", "", "Once upon a time\n/stop\n\nAnd then?\n");
  EXPECT_EQ(stopped.exit_code, 0) << stopped.output;
  EXPECT_GT(number_after(stopped.output, "[done: "), 0);
}

}  // namespace
}  // namespace octavo::test
