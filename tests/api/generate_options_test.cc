// Stop texts, log probabilities, chats and statistics of generate, on the shipped model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "octavo/octavo.hpp"
#include "support/converted.h"
#include "support/files.h"
#include "support/random.h"
#include "support/thrown.h"
#include "text/utf8_stream.h"

namespace octavo::test {
namespace {

const SamplingOptions kGreedy = {.temperature = 0};
const SamplingOptions kWild = {.temperature = 20, .top_k = 0, .top_p = 1, .min_p = 0, .seed = 3};

class GenerateOptionsTest : public testing::Test {
 protected:
  const Converted file_{pocket_mixtral(), Format::kQ8_0};
  const Model model_ = Model::open(file_.path());
  const std::vector<int32_t> prompt_ = model_.tokenize("Once upon a time");
  Session session_{model_, {.threads = 1}};

  struct Generated {
    GenerateResult result;
    std::vector<int32_t> ids;
    std::vector<std::string> pieces;
    std::string text;
  };
  Generated generated(const GenerateOptions& options, const SamplingOptions& sampling = kGreedy) {
    session_.reset();
    Generated all;
    all.result = generate(session_, prompt_, options, sampling, [&all](const Token& token) {
      all.ids.push_back(token.id);
      all.pieces.push_back(token.text);
      all.text += token.text;
      return true;
    });
    return all;
  }
  ErrorCode refused(const GenerateOptions& options) {
    const Thrown thrown = thrown_by([&] { generate(session_, prompt_, options, kGreedy, {}); });
    EXPECT_EQ(session_.position(), 0);
    return thrown.code.value_or(ErrorCode::kCancelled);
  }
};

TEST_F(GenerateOptionsTest, TheTextEndsInFrontOfAStopText) {
  for (const SamplingOptions& sampling : {kGreedy, kWild}) {
    const Generated whole = generated({.max_tokens = 40}, sampling);
    Random random(4);
    for (int round = 0; round < 12; ++round) {
      // Parts of the text that begin and end with whole characters.
      const auto is_border = [&](size_t i) { return (whole.text[i] & 0xC0) != 0x80; };
      size_t begin =
          static_cast<size_t>(random.below(static_cast<int64_t>(whole.text.size()) - 12));
      size_t end = begin + 1 + static_cast<size_t>(random.below(11));
      while (!is_border(begin)) --begin;
      while (!is_border(end)) --end;
      if (begin == end) continue;
      const std::string stop = whole.text.substr(begin, end - begin);
      const Generated ended = generated({.max_tokens = 40, .stop = {"none such", stop}}, sampling);
      EXPECT_EQ(ended.text, whole.text.substr(0, whole.text.find(stop))) << stop;
      EXPECT_EQ(ended.result.reason, StopReason::kStopText);
      EXPECT_EQ(ended.result.stop_index, 1);
      EXPECT_EQ(ended.result.generated_tokens, static_cast<int64_t>(ended.ids.size()));
      for (const std::string& piece : ended.pieces) {
        Utf8Stream stream;
        EXPECT_EQ(stream.add(piece), piece);
      }
    }
  }
}

TEST_F(GenerateOptionsTest, AStopTextThatDoesNotComeChangesNothing) {
  const Generated whole = generated({.max_tokens = 40});
  // What the text ends with, and one character more.
  const std::string begun = whole.text.substr(whole.text.size() - 3) + "\u00e9";
  const Generated ended = generated({.max_tokens = 40, .stop = {begun, "Once upon a time"}});
  EXPECT_EQ(ended.text, whole.text);
  EXPECT_EQ(ended.ids, whole.ids);
  EXPECT_EQ(ended.result.reason, StopReason::kMaxTokens);
  EXPECT_EQ(ended.result.stop_index, -1);
}

TEST_F(GenerateOptionsTest, AtAStopTextTheCallbacksAnswerComesTooLate) {
  const Generated whole = generated({.max_tokens = 5});
  session_.reset();
  const GenerateResult result =
      generate(session_, prompt_, {.stop = {whole.pieces[0]}}, kGreedy, [](const Token& token) {
        EXPECT_EQ(token.text, "");
        return false;
      });
  EXPECT_EQ(result.reason, StopReason::kStopText);
}

TEST_F(GenerateOptionsTest, RefusesOptionsThatMakeNoSense) {
  EXPECT_EQ(refused({.stop = {"a", ""}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused({.stop = {"\xC3"}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused({.logprobs = -2}), ErrorCode::kInvalidArgument);
}

TEST_F(GenerateOptionsTest, LogprobsAreTheModelsOwn) {
  SamplingOptions sampling = kWild;
  sampling.logit_bias = {{300, 5}};
  sampling.repeat_penalty = 2;
  Session other(model_, {.threads = 1});
  std::span<const float> logits = other.feed(prompt_);
  session_.reset();
  const auto check = [&](const Token& token) {
    double total = 0;
    for (const float logit : logits) total += std::exp(double{logit});
    const auto expected = [&](int32_t id) {
      return logits[static_cast<size_t>(id)] - std::log(total);
    };
    EXPECT_NEAR(token.logprob, expected(token.id), 1e-4);
    EXPECT_EQ(token.top.size(), 5u);
    for (size_t i = 0; i < token.top.size(); ++i) {
      EXPECT_NEAR(token.top[i].logprob, expected(token.top[i].id), 1e-4);
      EXPECT_LE(token.top[i].logprob, token.top[i == 0 ? 0 : i - 1].logprob);
    }
    EXPECT_EQ(token.top[0].id, std::max_element(logits.begin(), logits.end()) - logits.begin());
    logits = other.feed(std::span(&token.id, 1));
    return true;
  };
  EXPECT_EQ(generate(session_, prompt_, {.max_tokens = 10, .logprobs = 5}, sampling, check)
                .generated_tokens,
            10);
}

TEST_F(GenerateOptionsTest, AsManyAlternativesAsAskedForAndThereAre) {
  for (const auto& [asked, there] : {std::pair(-1, 0), {0, 0}, {1, 1}, {100000, 4096}}) {
    session_.reset();
    generate(session_, prompt_, {.max_tokens = 1, .logprobs = asked}, kGreedy,
             [&, there = there](const Token& token) {
               EXPECT_EQ(token.top.size(), static_cast<size_t>(there));
               EXPECT_EQ(token.logprob < 0, asked >= 0);
               return true;
             });
  }
}

TEST_F(GenerateOptionsTest, WithoutACallbackItOnlyGoesOn) {
  const Generated expected = generated({.max_tokens = 8});
  session_.reset();
  const GenerateResult result = generate(session_, prompt_, {.max_tokens = 8}, kGreedy, {});
  EXPECT_EQ(result.generated_tokens, 8);
  EXPECT_EQ(session_.tokens().back(), expected.ids[6]);
}

TEST_F(GenerateOptionsTest, StatisticsTellWhatTheTimesWereFor) {
  const GenerateResult result = generated({.max_tokens = 8}).result;
  EXPECT_EQ(result.prompt_tokens, static_cast<int64_t>(prompt_.size()));
  EXPECT_EQ(result.generated_tokens, 8);
  EXPECT_EQ(result.decoded_tokens, 7);
  EXPECT_GT(result.prefill_seconds, 0);
  EXPECT_GT(result.decode_seconds, 0);
  const GenerateResult none = generated({.max_tokens = 0}).result;
  EXPECT_EQ(none.reason, StopReason::kMaxTokens);
  EXPECT_EQ(none.decoded_tokens, 0);
  EXPECT_EQ(none.decode_seconds, 0);
}

TEST_F(GenerateOptionsTest, AChatIsAnsweredFromItsWholePrompt) {
  std::vector<ChatMessage> talk = {{"user", "Tell me a story."}};
  const auto answer = [&](std::vector<int32_t>& ids, std::string& text, const ChatOptions& chat) {
    return generate(
        session_, talk, {.max_tokens = 12}, kGreedy,
        [&](const Token& token) {
          ids.push_back(token.id);
          text += token.text;
          return true;
        },
        chat);
  };
  std::vector<int32_t> ids, expected;
  std::string text;
  const GenerateResult result = answer(ids, text, {});
  const std::vector<int32_t> prompt = model_.encode_chat(talk);
  EXPECT_EQ(result.prompt_tokens, static_cast<int64_t>(prompt.size()));
  EXPECT_EQ(text, model_.detokenize(ids));  // no space in front
  Session other(model_, {.threads = 1});
  generate(other, prompt, {.max_tokens = 12}, kGreedy, [&expected](const Token& token) {
    expected.push_back(token.id);
    return true;
  });
  EXPECT_EQ(ids, expected);
  EXPECT_TRUE(std::ranges::equal(session_.tokens(), other.tokens()));

  talk.push_back({"assistant", "It was"});
  std::string rest;
  const GenerateResult more = answer(ids, rest, {.continue_final = true});
  EXPECT_GE(more.reused, result.prompt_tokens - 1);
  std::vector<int32_t> all = model_.encode_chat(talk, {.continue_final = true});
  const size_t before = model_.detokenize(all).size();
  all.insert(all.end(), ids.begin() + 12, ids.end());
  EXPECT_EQ(model_.detokenize(all).substr(before), rest);
}

TEST_F(GenerateOptionsTest, AChatOutOfTurnIsRefused) {
  const std::vector<ChatMessage> talk = {{"assistant", "Hello"}};
  EXPECT_EQ(thrown_by([&] { generate(session_, talk, {}, kGreedy, {}); }).code,
            ErrorCode::kInvalidArgument);
}

TEST_F(GenerateOptionsTest, ATextStreamGivesWholeCharacters) {
  const Generated whole = generated({.max_tokens = 200}, kWild);
  TextStream stream(model_, prompt_), anew(model_);
  std::string text, alone;
  for (const int32_t id : whole.ids) {
    const std::string piece = stream.add(id);
    Utf8Stream check;
    EXPECT_EQ(check.add(piece), piece);
    text += piece;
    alone += anew.add(id);
  }
  EXPECT_EQ(text + stream.finish(), whole.text);
  EXPECT_EQ(alone + anew.finish(), model_.detokenize(whole.ids));
  EXPECT_EQ(thrown_by([&] { stream.add(4096); }).code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(thrown_by([&] { stream.add(-1); }).code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace octavo::test
