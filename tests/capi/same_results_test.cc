// The C API gives what the C++ API gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "capi/c_objects.h"
#include "octavo/octavo.hpp"
#include "support/converted.h"
#include "support/files.h"

extern "C" int32_t octavo_header_version(void);

namespace octavo::test {
namespace {

class SameResultsTest : public testing::Test {
 protected:
  const Converted file_{pocket_mixtral(), Format::kBF16};
  const Model model_ = Model::open(file_.path());
  const CModel c_model_ = open_in_c(file_.path());
  const std::vector<int32_t> prompt_ = model_.tokenize("Once upon a time");
};

TEST(CApi, VersionsAreOne) {
  const int32_t number = octavo_version_number();
  EXPECT_EQ(number, octavo_header_version());
  EXPECT_EQ(std::to_string(number / 10000) + "." + std::to_string(number / 100 % 100) + "." +
                std::to_string(number % 100),
            octavo_version());
}

TEST_F(SameResultsTest, Info) {
  octavo_model_info info = {};
  info.struct_size = sizeof info;
  ASSERT_EQ(octavo_model_get_info(c_model_.get(), &info), OCTAVO_OK);
  const ModelInfo& expected = model_.info();
  EXPECT_EQ(info.architecture, expected.architecture);
  EXPECT_EQ(info.format, expected.format);
  EXPECT_EQ(info.device, expected.device);
  EXPECT_THAT(
      (std::vector{info.dim, info.layers, info.heads, info.kv_heads, info.head_dim, info.ffn_dim,
                   info.experts, info.experts_per_token, info.vocab, info.context, info.window}),
      testing::ElementsAre(expected.dim, expected.layers, expected.heads, expected.kv_heads,
                           expected.head_dim, expected.ffn_dim, expected.experts,
                           expected.experts_per_token, expected.vocab, expected.context,
                           expected.window));
  EXPECT_EQ(info.bos, expected.bos);
  EXPECT_EQ(info.eos, expected.eos);
  EXPECT_EQ(info.has_tokenizer, 1);
  const char* chat_template = nullptr;
  ASSERT_EQ(octavo_model_chat_template(c_model_.get(), &chat_template), OCTAVO_OK);
  EXPECT_EQ(chat_template, model_.chat_template());
}

TEST_F(SameResultsTest, TokensAndText) {
  EXPECT_EQ(tokenize_in_c(c_model_, "Once upon a time"), prompt_);
  size_t needed = 0;
  ASSERT_EQ(
      octavo_model_detokenize(c_model_.get(), prompt_.data(), prompt_.size(), nullptr, 0, &needed),
      OCTAVO_OK);
  std::string text(needed + 1, '?');
  EXPECT_EQ(octavo_model_detokenize(c_model_.get(), prompt_.data(), prompt_.size(), text.data(),
                                    needed, nullptr),
            OCTAVO_BUFFER_TOO_SMALL);  // no room for the 0
  EXPECT_EQ(text.front(), '?');
  ASSERT_EQ(octavo_model_detokenize(c_model_.get(), prompt_.data(), prompt_.size(), text.data(),
                                    needed + 1, nullptr),
            OCTAVO_OK);
  EXPECT_EQ(text, model_.detokenize(prompt_) + '\0');
}

TEST_F(SameResultsTest, SessionInfo) {
  const std::pair<int32_t, CacheType> types[] = {{OCTAVO_CACHE_AUTO, CacheType::kAuto},
                                                 {OCTAVO_CACHE_F32, CacheType::kF32},
                                                 {OCTAVO_CACHE_F16, CacheType::kF16},
                                                 {OCTAVO_CACHE_BF16, CacheType::kBF16},
                                                 {OCTAVO_CACHE_Q8_0, CacheType::kQ8_0}};
  for (const auto& [number, type] : types) {
    octavo_session_options options;
    ASSERT_EQ(octavo_session_options_init(&options, sizeof options), OCTAVO_OK);
    options.cache = number;
    options.threads = 1;
    const CSession c_session = session_in_c(c_model_, &options);
    Session session(model_, {.threads = 1, .cache = type});
    session.feed(prompt_);
    ASSERT_EQ(
        octavo_session_feed(c_session.get(), prompt_.data(), prompt_.size(), nullptr, nullptr),
        OCTAVO_OK);
    const octavo_session_info info = info_of(c_session);
    EXPECT_EQ(info.position, session.position());
    EXPECT_EQ(info.context, session.context());
    EXPECT_EQ(info.cache_bytes, session.cache_bytes());
    EXPECT_EQ(info.threads, 1);
    EXPECT_EQ(info.cache, number == OCTAVO_CACHE_AUTO ? OCTAVO_CACHE_F16 : number);
  }
  EXPECT_EQ(info_of(session_in_c(c_model_)).threads, Session(model_).threads());
}

TEST_F(SameResultsTest, TheWindowOfTheOptions) {
  octavo_model_options options;
  ASSERT_EQ(octavo_model_options_init(&options, sizeof options), OCTAVO_OK);
  options.window = 9;
  const CModel model = open_in_c(file_.path(), &options);
  octavo_model_info info = {};
  info.struct_size = sizeof info;
  ASSERT_EQ(octavo_model_get_info(model.get(), &info), OCTAVO_OK);
  EXPECT_EQ(info.window, 9);
}

TEST_F(SameResultsTest, Profiles) {
  octavo_session_options options;
  ASSERT_EQ(octavo_session_options_init(&options, sizeof options), OCTAVO_OK);
  options.profile = 1;
  const CSession c_session = session_in_c(c_model_, &options);
  Session session(model_, {.profile = true});
  session.feed(prompt_);
  ASSERT_EQ(octavo_session_feed(c_session.get(), prompt_.data(), prompt_.size(), nullptr, nullptr),
            OCTAVO_OK);
  const std::vector<OpProfile> expected = session.profile();
  size_t count = 0;
  ASSERT_EQ(octavo_session_profile(c_session.get(), nullptr, 0, &count), OCTAVO_OK);
  ASSERT_EQ(count, expected.size());
  ASSERT_GT(count, 0u);
  std::vector<octavo_op_profile> ops(count);
  EXPECT_EQ(octavo_session_profile(c_session.get(), ops.data(), count - 1, nullptr),
            OCTAVO_BUFFER_TOO_SMALL);
  ASSERT_EQ(octavo_session_profile(c_session.get(), ops.data(), count, nullptr), OCTAVO_OK);
  ASSERT_EQ(octavo_session_reset_profile(c_session.get()), OCTAVO_OK);
  ASSERT_EQ(octavo_session_profile(c_session.get(), nullptr, 0, &count), OCTAVO_OK);
  EXPECT_EQ(count, 0u);
  for (size_t i = 0; i < ops.size(); ++i) {
    EXPECT_EQ(ops[i].name, expected[i].name);  // also after the reset
    EXPECT_EQ(ops[i].calls, expected[i].calls);
    EXPECT_EQ(ops[i].bytes, expected[i].bytes);
    EXPECT_EQ(ops[i].operations, expected[i].operations);
    EXPECT_GT(ops[i].seconds, 0);
  }
}

TEST_F(SameResultsTest, LogitsOfFeedPromptAndEvaluate) {
  Session session(model_);
  const CSession c_session = session_in_c(c_model_);
  const float* logits = nullptr;
  size_t vocab = 0;
  ASSERT_EQ(octavo_session_feed(c_session.get(), prompt_.data(), prompt_.size(), &logits, &vocab),
            OCTAVO_OK);
  EXPECT_THAT(std::vector(logits, logits + vocab),
              testing::ElementsAreArray(session.feed(prompt_)));

  std::vector<int32_t> longer = prompt_;
  longer.push_back(7);
  ASSERT_EQ(octavo_session_prompt(c_session.get(), longer.data(), longer.size(), &logits, nullptr),
            OCTAVO_OK);
  EXPECT_THAT(std::vector(logits, logits + vocab),
              testing::ElementsAreArray(session.prompt(longer)));
  EXPECT_EQ(info_of(c_session).reused, static_cast<int64_t>(prompt_.size()));

  std::vector<int64_t> indices;
  const auto sink = [](int64_t index, const float*, size_t size, void* user) {
    EXPECT_EQ(size, 4096u);
    static_cast<std::vector<int64_t>*>(user)->push_back(index);
  };
  ASSERT_EQ(
      octavo_session_evaluate(c_session.get(), prompt_.data(), prompt_.size(), 2, sink, &indices),
      OCTAVO_OK);
  EXPECT_EQ(indices.size(), prompt_.size() - 2);
  EXPECT_EQ(indices.front(), 2);
}

TEST_F(SameResultsTest, ForksRewindsAndFilesGoOnAlike) {
  const CSession session = session_in_c(c_model_);
  ASSERT_EQ(octavo_session_feed(session.get(), prompt_.data(), prompt_.size(), nullptr, nullptr),
            OCTAVO_OK);
  TempDir folder;
  const std::string path = folder.file("saved.session");
  ASSERT_EQ(octavo_session_save(session.get(), path.c_str()), OCTAVO_OK) << octavo_last_error();
  octavo_session *forked = nullptr, *restored = nullptr;
  ASSERT_EQ(octavo_session_fork(session.get(), &forked), OCTAVO_OK);
  ASSERT_EQ(octavo_session_restore(c_model_.get(), path.c_str(), nullptr, &restored), OCTAVO_OK)
      << octavo_last_error();
  const CSession fork(forked), restore(restored);
  const int32_t next = 9;
  ASSERT_EQ(octavo_session_feed(session.get(), &next, 1, nullptr, nullptr), OCTAVO_OK);
  ASSERT_EQ(octavo_session_rewind(session.get(), static_cast<int64_t>(prompt_.size())), OCTAVO_OK);
  std::vector<std::vector<float>> results;
  for (octavo_session* each : {session.get(), forked, restored}) {
    std::vector<int32_t> held(prompt_.size());
    ASSERT_EQ(octavo_session_tokens(each, held.data(), held.size(), nullptr), OCTAVO_OK);
    EXPECT_EQ(held, prompt_);
    const float* logits = nullptr;
    size_t vocab = 0;
    ASSERT_EQ(octavo_session_feed(each, &next, 1, &logits, &vocab), OCTAVO_OK);
    results.emplace_back(logits, logits + vocab);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST_F(SameResultsTest, RoutingIsTraced) {
  const CSession session = session_in_c(c_model_);
  int seen = 0;
  const auto observer = [](const octavo_routed_token* token, void* user) {
    EXPECT_EQ(token->chosen, 2u);
    EXPECT_EQ(token->expert_count, 8u);
    EXPECT_NEAR(token->weights[0] + token->weights[1], 1, 1e-5);
    EXPECT_GE(token->logits[token->experts[0]], token->logits[token->experts[1]]);
    ++*static_cast<int*>(user);
  };
  ASSERT_EQ(octavo_session_on_routing(session.get(), observer, &seen), OCTAVO_OK);
  ASSERT_EQ(octavo_session_feed(session.get(), prompt_.data(), prompt_.size(), nullptr, nullptr),
            OCTAVO_OK);
  EXPECT_EQ(seen, static_cast<int>(prompt_.size()) * 6);
  ASSERT_EQ(octavo_session_on_routing(session.get(), nullptr, nullptr), OCTAVO_OK);
  ASSERT_EQ(octavo_session_feed(session.get(), prompt_.data(), prompt_.size(), nullptr, nullptr),
            OCTAVO_OK);
  EXPECT_EQ(seen, static_cast<int>(prompt_.size()) * 6);
}

}  // namespace
}  // namespace octavo::test
