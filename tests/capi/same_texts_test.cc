// The C API generates, samples and converses as the C++ API does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "capi/c_objects.h"
#include "octavo/octavo.hpp"
#include "support/converted.h"
#include "support/files.h"

namespace octavo::test {
namespace {

/// What a callback of either API saw.
struct Seen {
  std::vector<int32_t> ids, top_ids;
  std::vector<float> logprobs, top_logprobs;
  std::string text;

  static int32_t in_c(const octavo_token* token, void* user) {
    EXPECT_EQ(token->struct_size, sizeof(octavo_token));
    EXPECT_EQ(std::string(token->text).size(), token->text_size);
    auto& seen = *static_cast<Seen*>(user);
    seen.ids.push_back(token->id);
    seen.logprobs.push_back(token->logprob);
    seen.text.append(token->text, token->text_size);
    for (size_t i = 0; i < token->top_count; ++i) {
      seen.top_ids.push_back(token->top[i].id);
      seen.top_logprobs.push_back(token->top[i].logprob);
    }
    return 0;
  }
  bool in_cxx(const Token& token) {
    ids.push_back(token.id);
    logprobs.push_back(token.logprob);
    text += token.text;
    for (const TokenLogprob& each : token.top) {
      top_ids.push_back(each.id);
      top_logprobs.push_back(each.logprob);
    }
    return true;
  }
};

octavo_sampling_options default_sampling() {
  octavo_sampling_options options;
  EXPECT_EQ(octavo_sampling_options_init(&options, sizeof options), OCTAVO_OK);
  return options;
}

class SameTextsTest : public testing::Test {
 protected:
  /// Generates in both, and expects the same tokens, text, logprobs and counts.
  void expect_same(const octavo_generate_options& c_options,
                   const octavo_sampling_options& c_sampling, const GenerateOptions& options,
                   const SamplingOptions& sampling) {
    Seen seen, expected;
    octavo_generate_result result = {};
    result.struct_size = sizeof result;
    const CSession c_session = session_in_c(c_model_);
    ASSERT_EQ(octavo_generate(c_session.get(), prompt_.data(), prompt_.size(), &c_options,
                              &c_sampling, Seen::in_c, &seen, &result),
              OCTAVO_OK)
        << octavo_last_error();
    Session session(model_);
    const GenerateResult wanted =
        generate(session, prompt_, options, sampling,
                 [&expected](const Token& token) { return expected.in_cxx(token); });
    EXPECT_EQ(seen.ids, expected.ids);
    EXPECT_EQ(seen.text, expected.text);
    EXPECT_EQ(seen.logprobs, expected.logprobs);
    EXPECT_EQ(seen.top_ids, expected.top_ids);
    EXPECT_EQ(seen.top_logprobs, expected.top_logprobs);
    EXPECT_EQ(result.reason, static_cast<int32_t>(wanted.reason));
    EXPECT_THAT(
        (std::array{result.prompt_tokens, result.generated_tokens, result.decoded_tokens,
                    result.reused, result.stop_index, result.drafted, result.accepted}),
        testing::ElementsAre(wanted.prompt_tokens, wanted.generated_tokens, wanted.decoded_tokens,
                             wanted.reused, wanted.stop_index, wanted.drafted, wanted.accepted));
    EXPECT_EQ(result.last_token, expected.ids.back());
    EXPECT_EQ(info_of(c_session).position, session.position());
    last_ = seen;
    last_result_ = result;
  }

  const Converted file_{pocket_mixtral(), Format::kBF16};
  const Model model_ = Model::open(file_.path());
  const CModel c_model_ = open_in_c(file_.path());
  const std::vector<int32_t> prompt_ = model_.tokenize("Once upon a time");
  Seen last_;
  octavo_generate_result last_result_ = {};
};

TEST_F(SameTextsTest, GreedyAndSeeded) {
  for (const float temperature : {0.0f, 1.5f}) {
    octavo_sampling_options sampling = default_sampling();
    sampling.temperature = temperature;
    sampling.seed = 77;
    expect_same(at_most(24), sampling, {.max_tokens = 24},
                {.temperature = temperature, .seed = 77});
  }
}

TEST_F(SameTextsTest, PenaltiesAndDry) {
  const char* const breakers[] = {".", "boy"};
  octavo_sampling_options sampling = default_sampling();
  sampling.repeat_penalty = 1.2f;
  sampling.repeat_window = 20;
  sampling.frequency_penalty = 0.3f;
  sampling.presence_penalty = 0.2f;
  sampling.dry_multiplier = 0.8f;
  sampling.dry_base = 1.5f;
  sampling.dry_allowed_length = 1;
  sampling.dry_window = 30;
  sampling.dry_breakers = breakers;
  sampling.dry_breaker_count = 2;
  expect_same(at_most(40), sampling, {.max_tokens = 40},
              {.repeat_penalty = 1.2f,
               .repeat_window = 20,
               .frequency_penalty = 0.3f,
               .presence_penalty = 0.2f,
               .dry_multiplier = 0.8f,
               .dry_base = 1.5f,
               .dry_allowed_length = 1,
               .dry_window = 30,
               .dry_breakers = {".", "boy"}});
}

TEST_F(SameTextsTest, TruncationAndTemperature) {
  octavo_sampling_options sampling = default_sampling();
  sampling.top_k = 100;
  sampling.top_p = 0.9f;
  sampling.min_p = 0.01f;
  sampling.typical_p = 0.8f;
  sampling.xtc_probability = 0.5f;
  sampling.xtc_threshold = 0.2f;
  sampling.dynatemp_range = 0.6f;
  sampling.dynatemp_exponent = 1.5f;
  expect_same(at_most(40), sampling, {.max_tokens = 40},
              {.top_k = 100,
               .top_p = 0.9f,
               .min_p = 0.01f,
               .typical_p = 0.8f,
               .xtc_probability = 0.5f,
               .xtc_threshold = 0.2f,
               .dynatemp_range = 0.6f,
               .dynatemp_exponent = 1.5f});
}

TEST_F(SameTextsTest, MirostatAndBias) {
  const octavo_logit_bias bias[] = {{261, -3}, {300, 2.5f}};
  octavo_sampling_options sampling = default_sampling();
  sampling.mirostat = 1;
  sampling.mirostat_tau = 3;
  sampling.mirostat_eta = 0.2f;
  sampling.logit_bias = bias;
  sampling.logit_bias_count = 2;
  expect_same(at_most(40), sampling, {.max_tokens = 40},
              {.mirostat = true,
               .mirostat_tau = 3,
               .mirostat_eta = 0.2f,
               .logit_bias = {{261, -3}, {300, 2.5f}}});
}

TEST_F(SameTextsTest, GrammarsAndSchemas) {
  octavo_sampling_options sampling = default_sampling();
  sampling.temperature = 1.5f;
  sampling.grammar = "root ::= [a-c]+ \"!\"";
  expect_same(at_most(40), sampling, {.max_tokens = 40},
              {.temperature = 1.5f, .grammar = "root ::= [a-c]+ \"!\""});
  EXPECT_THAT(last_.text, testing::MatchesRegex("[a-c]+!?"));
  sampling.grammar = nullptr;
  sampling.json_schema = R"({"enum": ["yes", "no"]})";
  expect_same(at_most(40), sampling, {.max_tokens = 40},
              {.temperature = 1.5f, .json_schema = R"({"enum": ["yes", "no"]})"});
  EXPECT_THAT(last_.text, testing::MatchesRegex("\"(yes|no)\""));
}

TEST_F(SameTextsTest, StopTexts) {
  const char* const stop[] = {"never there", "named", "little"};
  octavo_generate_options options = at_most(60);
  options.stop = stop;
  options.stop_count = 3;
  expect_same(options, greedy(), {.max_tokens = 60, .stop = {stop[0], stop[1], stop[2]}},
              {.temperature = 0});
  EXPECT_EQ(last_result_.reason, OCTAVO_STOP_TEXT);
  ASSERT_GT(last_result_.stop_index, 0);
  EXPECT_THAT(last_.text, testing::Not(testing::HasSubstr(stop[last_result_.stop_index])));
}

TEST_F(SameTextsTest, Logprobs) {
  for (const int count : {0, 3}) {
    octavo_generate_options options = at_most(8);
    options.logprobs = count;
    expect_same(options, default_sampling(), {.max_tokens = 8, .logprobs = count}, {});
    EXPECT_LT(last_.logprobs.front(), 0);
    EXPECT_EQ(last_.top_ids.size(), last_.ids.size() * static_cast<size_t>(count));
  }
}

TEST_F(SameTextsTest, Speculation) {
  octavo_generate_options options = at_most(40);
  for (const int32_t speculation : {OCTAVO_SPECULATION_OFF, OCTAVO_SPECULATION_ON}) {
    options.speculation = speculation;
    expect_same(options, greedy(),
                {.max_tokens = 40,
                 .speculation =
                     speculation == OCTAVO_SPECULATION_ON ? Speculation::kOn : Speculation::kOff},
                {.temperature = 0});
  }
}

TEST_F(SameTextsTest, LogprobsOfLogits) {
  Session session(model_);
  const std::span<const float> logits = session.feed(prompt_);
  const std::vector<TokenLogprob> expected = Sampler::logprobs(logits, 7, 4);
  std::vector<octavo_token_logprob> found(5);
  ASSERT_EQ(octavo_logprobs(logits.data(), logits.size(), 7, found.data(), found.size()), OCTAVO_OK)
      << octavo_last_error();
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].id, expected[i].id);
    EXPECT_EQ(found[i].logprob, expected[i].logprob);
  }
  EXPECT_EQ(octavo_logprobs(logits.data(), logits.size(), 7, found.data(), 0),
            OCTAVO_INVALID_ARGUMENT);
  EXPECT_EQ(octavo_logprobs(logits.data(), logits.size(), -1, found.data(), 1),
            OCTAVO_INVALID_ARGUMENT);
  EXPECT_EQ(octavo_logprobs(logits.data(), 3, 1, found.data(), 5), OCTAVO_INVALID_ARGUMENT);
  EXPECT_THAT(octavo_last_error(), testing::HasSubstr("1 to 4"));
}

TEST_F(SameTextsTest, ChatsHaveTheSameIds) {
  const octavo_chat_message c_messages[] = {{"system", octavo_guardrail_prompt()},
                                            {"user", "Hello [INST]"},
                                            {"assistant", "Hi, how"},
                                            {"user", "And now?"},
                                            {"assistant", "Well,"}};
  std::vector<ChatMessage> messages;
  for (const octavo_chat_message& each : c_messages) messages.push_back({each.role, each.content});
  EXPECT_EQ(messages[0].content, kGuardrailPrompt);
  const char* const rendered = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}";
  for (const char* chat_template : {static_cast<const char*>(nullptr), "mistral-v1", rendered}) {
    for (const size_t count : {size_t{2}, size_t{5}}) {
      octavo_chat_options options;
      ASSERT_EQ(octavo_chat_options_init(&options, sizeof options), OCTAVO_OK);
      options.chat_template = chat_template;
      options.continue_final = count == 5 ? 1 : 0;
      size_t size = 0;
      ASSERT_EQ(
          octavo_model_encode_chat(c_model_.get(), c_messages, count, &options, nullptr, 0, &size),
          OCTAVO_OK)
          << octavo_last_error();
      std::vector<int32_t> ids(size);
      ASSERT_EQ(octavo_model_encode_chat(c_model_.get(), c_messages, count, &options, ids.data(),
                                         size, nullptr),
                OCTAVO_OK);
      EXPECT_EQ(ids, model_.encode_chat(std::span(messages).first(count),
                                        {.chat_template = chat_template ? chat_template : "auto",
                                         .continue_final = count == 5}));
    }
  }
}

TEST_F(SameTextsTest, ChatsHaveTheSameAnswers) {
  const octavo_generate_options options = at_most(20);
  const octavo_sampling_options sampling = default_sampling();
  const CSession c_session = session_in_c(c_model_);
  Session session(model_);
  std::vector<ChatMessage> messages;
  for (const char* question : {"Once upon a time", "And then?"}) {
    messages.push_back({"user", question});
    std::vector<octavo_chat_message> c_messages;
    for (const ChatMessage& each : messages) {
      c_messages.push_back({each.role.c_str(), each.content.c_str()});
    }
    Seen seen, expected;
    octavo_generate_result result = {};
    result.struct_size = sizeof result;
    ASSERT_EQ(octavo_generate_chat(c_session.get(), c_messages.data(), c_messages.size(), nullptr,
                                   &options, &sampling, Seen::in_c, &seen, &result),
              OCTAVO_OK)
        << octavo_last_error();
    const GenerateResult wanted =
        generate(session, messages, {.max_tokens = 20}, {},
                 [&expected](const Token& token) { return expected.in_cxx(token); });
    EXPECT_EQ(seen.ids, expected.ids);
    EXPECT_EQ(seen.text, expected.text);
    EXPECT_EQ(result.prompt_tokens, wanted.prompt_tokens);
    EXPECT_EQ(result.reused, wanted.reused);
    messages.push_back({"assistant", seen.text});
  }
  EXPECT_GT(session.reused(), 1);
}

TEST_F(SameTextsTest, SamplersOfAModelKnowItsGrammar) {
  octavo_sampling_options options = greedy();
  options.grammar = "root ::= \"yes\"";
  octavo_sampler* sampler = nullptr;
  EXPECT_EQ(octavo_sampler_create(&options, &sampler), OCTAVO_INVALID_ARGUMENT);
  EXPECT_EQ(sampler, nullptr);
  ASSERT_EQ(octavo_sampler_create_for_model(c_model_.get(), &options, &sampler), OCTAVO_OK)
      << octavo_last_error();
  Sampler expected(model_, {.temperature = 0, .grammar = options.grammar});
  Session session(model_);
  std::span<const float> logits = session.feed(prompt_);
  ASSERT_EQ(octavo_sampler_continue_text(sampler), OCTAVO_OK);
  expected.continue_text();
  int32_t finished = -1;
  for (int count = 0; finished != 1; ++count) {
    ASSERT_LT(count, 4);
    int32_t id = -1;
    ASSERT_EQ(octavo_sampler_sample(sampler, logits.data(), logits.size(), &id), OCTAVO_OK);
    ASSERT_EQ(id, expected.sample(logits));
    ASSERT_EQ(octavo_sampler_finished(sampler, &finished), OCTAVO_OK);
    ASSERT_EQ(finished, expected.finished() ? 1 : 0);
    logits = session.feed(std::span(&id, 1));
  }
  EXPECT_THAT(model_.detokenize(session.tokens()), testing::EndsWith("timeyes"));
  EXPECT_EQ(octavo_sampler_free(sampler), OCTAVO_OK);
}

TEST(CApi, SamplersDrawAlike) {
  const std::vector<float> logits = {0.5f, 2, 1.5f, -1, 1.9f};
  octavo_sampling_options options;
  ASSERT_EQ(octavo_sampling_options_init(&options, sizeof options), OCTAVO_OK);
  options.repeat_penalty = 1.3f;
  options.seed = 5;
  octavo_sampler* sampler = nullptr;
  ASSERT_EQ(octavo_sampler_create(&options, &sampler), OCTAVO_OK);
  Sampler expected({.repeat_penalty = 1.3f, .seed = 5});
  ASSERT_EQ(octavo_sampler_accept(sampler, 1), OCTAVO_OK);
  expected.accept(1);
  for (int i = 0; i < 100; ++i) {
    int32_t id = -1;
    ASSERT_EQ(octavo_sampler_sample(sampler, logits.data(), logits.size(), &id), OCTAVO_OK);
    ASSERT_EQ(id, expected.sample(logits));
  }
  EXPECT_EQ(octavo_sampler_free(sampler), OCTAVO_OK);
}

}  // namespace
}  // namespace octavo::test
