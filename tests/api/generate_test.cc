// The public C++ API on the shipped model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "octavo/octavo.hpp"
#include "support/converted.h"
#include "support/files.h"
#include "text/utf8_stream.h"

namespace octavo::test {
namespace {

class GenerateTest : public testing::Test {
 protected:
  const Converted file_{pocket_mixtral(), Format::kBF16};
  const Model model_ = Model::open(file_.path());

  struct Generated {
    GenerateResult result;
    std::vector<int32_t> ids;
    std::string text;
  };
  static Generated generate_from(Session& session, std::span<const int32_t> prompt, int64_t count,
                                 const SamplingOptions& sampling = {.temperature = 0}) {
    Generated generated;
    generated.result = generate(session, prompt, {.max_tokens = count}, sampling,
                                [&generated](const Token& token) {
                                  generated.ids.push_back(token.id);
                                  generated.text += token.text;
                                  return true;
                                });
    return generated;
  }
};

TEST_F(GenerateTest, InfoIsTheModels) {
  const ModelInfo& info = model_.info();
  EXPECT_EQ(info.architecture, "mixtral");
  EXPECT_EQ(info.format, "bf16");
  EXPECT_EQ(info.dim, 256);
  EXPECT_EQ(info.layers, 6);
  EXPECT_EQ(info.experts, 8);
  EXPECT_EQ(info.experts_per_token, 2);
  EXPECT_EQ(info.vocab, 4096);
  EXPECT_EQ(info.context, 2048);
  EXPECT_EQ(info.bos, 1);
  EXPECT_EQ(info.eos, 2);
  EXPECT_TRUE(info.has_tokenizer);
}

TEST_F(GenerateTest, GreedyTokensAreTheBestOfTheLogits) {
  const auto prompt = model_.tokenize("Once upon a time");
  Session session(model_);
  const Generated generated = generate_from(session, prompt, 16);
  EXPECT_EQ(generated.result.reason, StopReason::kMaxTokens);
  EXPECT_EQ(generated.result.prompt_tokens, static_cast<int64_t>(prompt.size()));
  EXPECT_EQ(generated.result.generated_tokens, 16);

  Session other(model_);
  std::span<const float> logits = other.feed(prompt);
  for (const int32_t id : generated.ids) {
    EXPECT_EQ(id, std::max_element(logits.begin(), logits.end()) - logits.begin());
    logits = other.feed(std::span(&id, 1));
  }
}

TEST_F(GenerateTest, TextGoesOnWhereThePromptEnds) {
  const auto prompt = model_.tokenize("Once upon a time");
  Session session(model_);
  const Generated generated = generate_from(session, prompt, 16);
  std::vector<int32_t> all = prompt;
  all.insert(all.end(), generated.ids.begin(), generated.ids.end());
  EXPECT_EQ("Once upon a time" + generated.text, model_.detokenize(all));
}

TEST_F(GenerateTest, FromBosAloneTheTextHasNoSpaceInFront) {
  const std::vector<int32_t> bos = {1};
  Session session(model_);
  const Generated generated = generate_from(session, bos, 16);
  EXPECT_EQ(generated.text, model_.detokenize(generated.ids));
  EXPECT_NE(generated.text.front(), ' ');
}

TEST_F(GenerateTest, EveryTokensTextIsWholeUtf8) {
  const auto prompt = model_.tokenize("日本語");
  Session session(model_, {.threads = 1});
  const SamplingOptions wild = {.temperature = 20, .top_k = 0, .top_p = 1, .min_p = 0, .seed = 3};
  int held_back = 0;
  generate(session, prompt, {.max_tokens = 300}, wild, [&held_back](const Token& token) {
    Utf8Stream stream;
    EXPECT_EQ(stream.add(token.text) + stream.finish(), token.text);
    held_back += token.text.empty();
    return true;
  });
  EXPECT_GT(held_back, 0);
}

TEST_F(GenerateTest, StopsWhenToldToAndWhenTheContextIsFull) {
  const auto prompt = model_.tokenize("The river");
  Session session(model_, {.context = 24});
  EXPECT_EQ(session.context(), 24);
  EXPECT_EQ(generate_from(session, prompt, 0).result.generated_tokens, 0);
  EXPECT_EQ(session.position(), static_cast<int64_t>(prompt.size()));

  session.reset();
  const GenerateResult stopped = generate(session, prompt, {.max_tokens = 9}, {.temperature = 0},
                                          [](const Token&) { return false; });
  EXPECT_EQ(stopped.reason, StopReason::kCallback);
  EXPECT_EQ(stopped.generated_tokens, 1);

  session.reset();
  const Generated full = generate_from(session, prompt, -1);
  EXPECT_EQ(full.result.reason, StopReason::kContextFull);
  EXPECT_EQ(session.position(), 24);
  // The last one is chosen by the logits of position 24 and needs no room of its own.
  EXPECT_EQ(full.ids.size(), 24 - prompt.size() + 1);
}

TEST_F(GenerateTest, EvaluateGivesTheLogitsThatFeedGives) {
  const auto ids = model_.tokenize("The quick brown fox jumps over the lazy dog, twice a day.");
  Session fed(model_, {.cache = CacheType::kF32}),
      evaluated(model_, {.chunk = 4, .cache = CacheType::kF32});
  const int64_t first = 7;
  int64_t expected_index = first;
  fed.feed(std::span(ids).first(static_cast<size_t>(first)));
  evaluated.evaluate(ids, first, [&](int64_t index, std::span<const float> logits) {
    ASSERT_EQ(index, expected_index++);
    const auto expected = fed.feed(std::span(ids).subspan(static_cast<size_t>(index), 1));
    ASSERT_EQ(logits.size(), expected.size());
    for (size_t i = 0; i < logits.size(); ++i) ASSERT_NEAR(logits[i], expected[i], 1e-3);
  });
  EXPECT_EQ(expected_index, static_cast<int64_t>(ids.size()));
  EXPECT_EQ(evaluated.position(), fed.position());
}

TEST_F(GenerateTest, RoutingIsTraced) {
  const auto ids = model_.tokenize("The river ran down");
  Session session(model_);
  std::vector<int> seen(ids.size());
  session.trace_routing([&](const RoutedToken& routed) {
    ++seen.at(static_cast<size_t>(routed.position));
    ASSERT_EQ(routed.experts.size(), 2u);
    ASSERT_EQ(routed.logits.size(), 8u);
    EXPECT_NEAR(routed.weights[0] + routed.weights[1], 1, 1e-5);
    EXPECT_EQ(routed.experts[0],
              std::max_element(routed.logits.begin(), routed.logits.end()) - routed.logits.begin());
  });
  session.feed(ids);
  EXPECT_THAT(seen, testing::Each(6));
  session.trace_routing({});
  session.reset();
  session.feed(ids);
  EXPECT_THAT(seen, testing::Each(6));
}

TEST_F(GenerateTest, RefusedCallsLeaveTheSessionAsItWas) {
  Session session(model_, {.context = 8});
  const std::vector<int32_t> ids = {1, 5, 6};
  session.feed(ids);
  EXPECT_THROW(session.feed({}), Error);
  EXPECT_THROW(session.feed(std::vector<int32_t>{5, 4096}), Error);
  EXPECT_THROW(session.feed(std::vector<int32_t>{-1}), Error);
  EXPECT_THROW(session.feed(std::vector<int32_t>(6, 5)), Error);
  EXPECT_THROW(session.evaluate(ids, 3, {}), Error);
  EXPECT_THROW(session.evaluate(ids, -1, {}), Error);
  EXPECT_THROW(generate_from(session, {}, 1), Error);
  EXPECT_THROW(generate_from(session, std::vector<int32_t>(6, 5), 1), Error);
  EXPECT_EQ(session.position(), 3);
}

TEST_F(GenerateTest, RefusesOptionsThatMakeNoSense) {
  EXPECT_THROW(Session(model_, {.context = -1}), Error);
  EXPECT_THROW(Session(model_, {.chunk = 0}), Error);
  EXPECT_THROW(Session(model_, {.threads = -1}), Error);
  EXPECT_THROW(Model::open(file_.path(), {.device = "abacus"}), Error);
  EXPECT_THROW(Model::open("/nowhere.8vo"), Error);
  EXPECT_THROW(model_.detokenize(std::vector<int32_t>{4096}), Error);
}

TEST_F(GenerateTest, SessionsOfOneModelRunSideBySide) {
  const auto prompt = model_.tokenize("Once upon a time");
  Session alone(model_, {.threads = 1});
  const std::string expected = generate_from(alone, prompt, 12).text;
  std::vector<std::string> texts(2);
  std::vector<std::thread> threads;
  threads.reserve(texts.size());
  for (std::string& text : texts) {
    threads.emplace_back([this, &text, &prompt] {
      Session session(model_, {.threads = 1});
      text = generate_from(session, prompt, 12).text;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(texts, testing::Each(expected));
}

/// Sixteen tokens, so that EOS (2) comes soon; no tokenizer.
ModelConfig tiny_config() {
  ModelConfig config;
  config.architecture = "mixtral";
  config.dim = 32;
  config.layers = 1;
  config.heads = 2;
  config.kv_heads = 1;
  config.head_dim = 16;
  config.ffn_dim = 32;
  config.experts = 2;
  config.experts_per_token = 1;
  config.vocab = 16;
  config.context = 512;
  config.rope_theta = 1e4;
  config.norm_eps = 1e-5;
  return config;
}

TEST(GenerateWithoutTokenizerTest, EndsAtEosWhichIsNotShown) {
  const Converted file(tiny_config(), 1, Format::kF32);
  const Model model = Model::open(file.path());
  EXPECT_FALSE(model.info().has_tokenizer);
  EXPECT_THROW(model.tokenize("a"), Error);
  Session session(model, {.threads = 1});
  const std::vector<int32_t> prompt = {1, 5};
  const SamplingOptions uniform = {.temperature = 1000, .top_k = 0, .top_p = 1, .min_p = 0};
  std::vector<int32_t> ids;
  std::string text;
  const GenerateResult result =
      generate(session, prompt, {.max_tokens = -1}, uniform, [&](const Token& token) {
        ids.push_back(token.id);
        text += token.text;
        return true;
      });
  EXPECT_EQ(result.reason, StopReason::kEos);
  EXPECT_EQ(result.generated_tokens, static_cast<int64_t>(ids.size()));
  EXPECT_GT(ids.size(), 0u);
  EXPECT_THAT(ids, testing::Not(testing::Contains(2)));
  EXPECT_EQ(text, "");
}

}  // namespace
}  // namespace octavo::test
