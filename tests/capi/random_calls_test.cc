// 10,000 calls of the C API with whatever comes. Each gives a status; under the address sanitizer
// none reads or writes where it must not.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "capi/random_options.h"
#include "support/converted.h"
#include "support/files.h"

namespace octavo::test {
namespace {

constexpr int kCalls = 10000;

class RandomCalls : public testing::Test, protected RandomOptions {
 protected:
  RandomCalls() {
    for (const Converted* file : {&tiny_, &pocket_}) {
      octavo_model* model = nullptr;
      octavo_model_open(file->path().c_str(), nullptr, &model);
      models.add(model);
    }
  }

  const char* path() {
    return dice.any<const char*>({nullptr, "", "/", "/nowhere/file", tiny_.path().c_str(),
                                  pocket_.path().c_str(), saved_.c_str(), saved_.c_str()});
  }

  octavo_status call();
  octavo_status call_model();
  octavo_status call_session();
  octavo_status call_session_maker();
  octavo_status call_sampler();
  octavo_status call_sampler_maker();
  octavo_status call_init();
  octavo_status call_other();
  octavo_status open_somehow();
  octavo_status generate_somehow();
  octavo_status logprobs_somehow();
  template <class Handle>
  octavo_status free_somehow(Pool<Handle>& pool, octavo_status (*free_handle)(Handle*));

  const Converted tiny_{test_data("tiny-mixtral/hf"), Format::kQ8_0};
  const Converted pocket_{pocket_mixtral(), Format::kQ8_0};  // which has a tokenizer
  TempDir folder_;
  const std::string saved_ = folder_.file("saved.session");
};

template <class Handle>
octavo_status RandomCalls::free_somehow(Pool<Handle>& pool, octavo_status (*free_handle)(Handle*)) {
  Handle* handle = pick(pool);
  const bool is_live = pool.holds(handle);
  const octavo_status status = free_handle(handle);
  EXPECT_EQ(status, is_live || handle == nullptr ? OCTAVO_OK : OCTAVO_INVALID_HANDLE);
  if (is_live) pool.drop(handle);
  return status;
}

octavo_status RandomCalls::call_model() {
  octavo_model* model = pick(models);
  const bool is_live = models.holds(model);
  const auto capacity = static_cast<size_t>(dice.below(40));
  octavo_status status = OCTAVO_OK;
  switch (dice.below(5)) {
    case 0:
      status = octavo_model_get_info(model, result<octavo_model_info>());
      break;
    case 1: {
      const auto size = static_cast<size_t>(dice.below(20));
      status = octavo_model_tokenize(model, maybe<char>(size), size, dice.any<int32_t>({0, 1, -5}),
                                     maybe<int32_t>(capacity), capacity, maybe<size_t>(1));
      break;
    }
    case 2: {
      const auto in = ids();
      status = octavo_model_detokenize(model, in.values, in.count, maybe<char>(capacity), capacity,
                                       maybe<size_t>(1));
      break;
    }
    case 3: {
      const auto said = messages();
      status = octavo_model_encode_chat(model, said.values, said.count, chat_options(),
                                        maybe<int32_t>(capacity), capacity, maybe<size_t>(1));
      break;
    }
    default:
      status = octavo_model_chat_template(model, maybe<const char*>(1));
  }
  EXPECT_TRUE(is_live || status == OCTAVO_INVALID_HANDLE) << status;
  return status;
}

octavo_status RandomCalls::call_session_maker() {
  octavo_session* made = nullptr;
  octavo_session** const out = dice.one_in(10) ? nullptr : &made;
  octavo_status status = OCTAVO_OK;
  const int64_t which = dice.below(4);
  if (which == 0) {
    status = octavo_session_fork(pick(sessions), out);
  } else if (which == 1) {
    status = octavo_session_restore(pick(models), path(), session_options(), out);
  } else {
    status = octavo_session_create(pick(models), session_options(), out);
  }
  EXPECT_EQ(status == OCTAVO_OK, made != nullptr);
  sessions.add(made);
  if (sessions.live.size() > 20) {
    octavo_session* oldest = sessions.live.front();
    EXPECT_EQ(octavo_session_free(oldest), OCTAVO_OK);
    sessions.drop(oldest);
  }
  return status;
}

octavo_status RandomCalls::generate_somehow() {
  const auto in = ids();
  const auto on_token = [](const octavo_token* token, void*) -> int32_t {
    for (size_t i = 0; i < token->top_count; ++i) EXPECT_LE(token->top[i].logprob, 0);
    return token->id == 7 ? 1 : 0;
  };
  const octavo_token_callback callback = dice.one_in(4) ? nullptr : +on_token;
  if (dice.one_in(2)) {
    return octavo_generate(pick(sessions), in.values, in.count, generate_options(),
                           sampling_options(), callback, nullptr, result<octavo_generate_result>());
  }
  const auto said = messages();
  return octavo_generate_chat(pick(sessions), said.values, said.count, chat_options(),
                              generate_options(), sampling_options(), callback, nullptr,
                              result<octavo_generate_result>());
}

octavo_status RandomCalls::call_session() {
  octavo_session* session = pick(sessions);
  const bool is_live = sessions.holds(session);
  const auto in = ids();
  const auto capacity = static_cast<size_t>(dice.below(64));
  octavo_status status = OCTAVO_OK;
  switch (dice.below(11)) {
    case 0:
      status = octavo_session_get_info(session, result<octavo_session_info>());
      break;
    case 1:
      status = octavo_session_tokens(session, maybe<int32_t>(capacity), capacity, maybe<size_t>(1));
      break;
    case 2:
      status = octavo_session_feed(session, in.values, in.count, maybe<const float*>(1),
                                   maybe<size_t>(1));
      break;
    case 3:
      status = octavo_session_prompt(session, in.values, in.count, nullptr, nullptr);
      break;
    case 4: {
      const auto sink = [](int64_t, const float*, size_t, void*) {};
      status = octavo_session_evaluate(session, in.values, in.count,
                                       dice.any<size_t>({0, 1, 5, SIZE_MAX}),
                                       dice.one_in(5) ? nullptr : +sink, nullptr);
      break;
    }
    case 5:
      status = octavo_session_rewind(session, dice.any<int64_t>({0, 1, 5, 30, -1, kHuge}));
      break;
    case 6:
      status = octavo_session_save(session, dice.one_in(4) ? nullptr : saved_.c_str());
      break;
    case 7:
      status = octavo_session_profile(session, maybe<octavo_op_profile>(capacity), capacity,
                                      maybe<size_t>(1));
      break;
    case 8:
      status = octavo_session_reset_profile(session);
      break;
    case 9: {
      const auto observer = [](const octavo_routed_token*, void*) {};
      status = octavo_session_on_routing(session, dice.one_in(2) ? nullptr : +observer, nullptr);
      break;
    }
    default: {
      const auto progress = [](int64_t done, int64_t, void*) -> int32_t { return done % 5 == 4; };
      status = octavo_session_on_progress(session, dice.one_in(2) ? nullptr : +progress, nullptr);
    }
  }
  EXPECT_TRUE(is_live || status == OCTAVO_INVALID_HANDLE) << status;
  return status;
}

octavo_status RandomCalls::call_sampler_maker() {
  octavo_sampler* made = nullptr;
  octavo_sampler** const out = dice.one_in(5) ? nullptr : &made;
  const octavo_status status =
      dice.one_in(2) ? octavo_sampler_create(sampling_options(), out)
                     : octavo_sampler_create_for_model(pick(models), sampling_options(), out);
  EXPECT_EQ(status == OCTAVO_OK, made != nullptr);
  samplers.add(made);
  return status;
}

octavo_status RandomCalls::call_sampler() {
  octavo_sampler* sampler = pick(samplers);
  const bool is_live = samplers.holds(sampler);
  octavo_status status = OCTAVO_OK;
  switch (dice.below(5)) {
    case 0:
      status = octavo_sampler_accept(sampler, dice.any<int32_t>({0, 5, -1, INT32_MAX, INT32_MIN}));
      break;
    case 1:
      status = octavo_sampler_continue_text(sampler);
      break;
    case 2:
      status = octavo_sampler_finished(sampler, maybe<int32_t>(1));
      break;
    default: {
      const size_t vocab = dice.any<size_t>({0, 1, 50, 4096});
      auto* logits = maybe<float>(vocab);
      for (size_t i = 0; logits != nullptr && i < vocab; ++i) logits[i] = dice.normal();
      status = octavo_sampler_sample(sampler, logits, vocab, maybe<int32_t>(1));
    }
  }
  EXPECT_TRUE(is_live || status == OCTAVO_INVALID_HANDLE) << status;
  return status;
}

octavo_status RandomCalls::logprobs_somehow() {
  const auto vocab = static_cast<size_t>(dice.below(50));
  auto* logits = maybe<float>(vocab);
  for (size_t i = 0; logits != nullptr && i < vocab; ++i) {
    logits[i] = dice.one_in(50) ? dice.any({kNan, kInfinity, -kInfinity}) : dice.normal();
  }
  const size_t capacity = dice.any<size_t>({0, 1, 3, vocab + 1, vocab + 2, SIZE_MAX});
  return octavo_logprobs(logits, vocab, static_cast<int32_t>(dice.below(52)) - 1,
                         maybe<octavo_token_logprob>(std::min(capacity, vocab + 1)), capacity);
}

octavo_status RandomCalls::call_init() {
  switch (dice.below(5)) {
    case 0:
      return initialise(octavo_model_options_init);
    case 1:
      return initialise(octavo_chat_options_init);
    case 2:
      return initialise(octavo_session_options_init);
    case 3:
      return initialise(octavo_sampling_options_init);
    default:
      return initialise(octavo_generate_options_init);
  }
}

octavo_status RandomCalls::open_somehow() {
  octavo_model* made = nullptr;
  const octavo_status status =
      octavo_model_open(path(), model_options(), dice.one_in(8) ? nullptr : &made);
  models.add(made);
  return status;
}

octavo_status RandomCalls::call_other() {
  switch (dice.below(8)) {
    case 0:
      return open_somehow();
    case 1:
      return models.live.size() > 2 ? free_somehow(models, octavo_model_free)
                                    : octavo_model_free(nullptr);
    case 2:
      return free_somehow(sessions, octavo_session_free);
    case 3:
      return free_somehow(samplers, octavo_sampler_free);
    case 4:
      return call_init();
    case 5:
      return logprobs_somehow();
    case 6:
      EXPECT_NE(octavo_status_name(static_cast<octavo_status>(dice.bits())), nullptr);
      EXPECT_NE(octavo_guardrail_prompt(), nullptr);
      return OCTAVO_OK;
    default:
      return octavo_session_cancel(pick(sessions));
  }
}

octavo_status RandomCalls::call() {
  forget_buffers();
  switch (dice.below(12)) {
    case 0:
    case 1:
      return call_model();
    case 2:
      return call_session_maker();
    case 3:
    case 4:
    case 5:
      return call_session();
    case 6:
      return generate_somehow();
    case 7:
      return call_sampler();
    case 8:
      return call_sampler_maker();
    default:
      return call_other();
  }
}

TEST_F(RandomCalls, AlwaysGiveAStatus) {
  std::map<octavo_status, int> seen;
  for (int i = 0; i < kCalls; ++i) {
    const octavo_status status = call();
    ++seen[status];
    ASSERT_STRNE(octavo_status_name(status), "unknown status") << status;
    ASSERT_NE(status, OCTAVO_INTERNAL) << octavo_last_error();
    ASSERT_FALSE(HasFailure()) << "call " << i << ": " << octavo_last_error();
    if (status != OCTAVO_OK) {
      ASSERT_STRNE(octavo_last_error(), "") << status;
    }
  }
  // The calls were neither all right nor all wrong.
  EXPECT_GT(seen[OCTAVO_OK], kCalls / 5);
  EXPECT_GT(seen[OCTAVO_INVALID_HANDLE], kCalls / 20);
  EXPECT_GT(seen[OCTAVO_INVALID_ARGUMENT], kCalls / 20);
  for (const octavo_status status :
       {OCTAVO_IO, OCTAVO_FORMAT, OCTAVO_UNSUPPORTED, OCTAVO_OUT_OF_RANGE, OCTAVO_CANCELLED}) {
    EXPECT_GT(seen[status], 0) << octavo_status_name(status);
  }
}

}  // namespace
}  // namespace octavo::test
