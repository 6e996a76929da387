// What the C API says to wrong calls, and how calls end before they are done.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "capi/c_objects.h"
#include "support/converted.h"
#include "support/files.h"

namespace octavo::test {
namespace {

using testing::HasSubstr;

class FailuresTest : public testing::Test {
 protected:
  octavo_status generate(octavo_token_callback callback, void* user,
                         octavo_generate_result* result = nullptr) {
    const octavo_generate_options options = at_most(20);
    const octavo_sampling_options sampling = greedy();
    return octavo_generate(session_.get(), prompt_.data(), prompt_.size(), &options, &sampling,
                           callback, user, result);
  }

  const Converted file_{pocket_mixtral(), Format::kBF16};
  CModel model_ = open_in_c(file_.path());
  CSession session_ = session_in_c(model_);
  const std::vector<int32_t> prompt_ = tokenize_in_c(model_, "The river");
};

TEST_F(FailuresTest, HandlesThatAreNone) {
  octavo_session* freed = session_.release();
  ASSERT_EQ(octavo_session_free(freed), OCTAVO_OK);
  EXPECT_EQ(octavo_session_free(freed), OCTAVO_INVALID_HANDLE);
  EXPECT_EQ(octavo_session_rewind(freed, 0), OCTAVO_INVALID_HANDLE);
  EXPECT_THAT(octavo_last_error(), HasSubstr("no session (or was freed)"));
  EXPECT_EQ(octavo_session_rewind(nullptr, 0), OCTAVO_INVALID_HANDLE);
  EXPECT_THAT(octavo_last_error(), HasSubstr("NULL"));
  EXPECT_EQ(octavo_session_rewind(reinterpret_cast<octavo_session*>(model_.get()), 0),
            OCTAVO_INVALID_HANDLE);
  EXPECT_EQ(octavo_session_free(nullptr), OCTAVO_OK);
  EXPECT_EQ(octavo_model_free(nullptr), OCTAVO_OK);
  EXPECT_EQ(octavo_sampler_free(nullptr), OCTAVO_OK);
}

TEST_F(FailuresTest, SessionsOutliveTheirModel) {
  model_.reset();
  EXPECT_EQ(generate(nullptr, nullptr), OCTAVO_OK) << octavo_last_error();
}

TEST_F(FailuresTest, StructsOfOlderCallersTakeDefaults) {
  octavo_session_options options;
  ASSERT_EQ(octavo_session_options_init(&options, sizeof options), OCTAVO_OK);
  options.context = 32;
  options.chunk = -1;  // would be refused
  options.struct_size = offsetof(octavo_session_options, chunk);
  EXPECT_EQ(info_of(session_in_c(model_, &options)).context, 32);
  for (const size_t size : {size_t{0}, size_t{4}, size_t{20}, sizeof options + 8, SIZE_MAX}) {
    options.struct_size = size;
    octavo_session* session = session_.get();
    EXPECT_EQ(octavo_session_create(model_.get(), &options, &session), OCTAVO_INVALID_ARGUMENT);
    EXPECT_EQ(session, nullptr);
    EXPECT_THAT(octavo_last_error(), HasSubstr("struct_size is " + std::to_string(size)));
    EXPECT_EQ(octavo_session_options_init(&options, size), OCTAVO_INVALID_ARGUMENT);
  }
  octavo_generate_result result = {};
  result.generated_tokens = -7;
  result.struct_size = offsetof(octavo_generate_result, generated_tokens);
  ASSERT_EQ(generate(nullptr, nullptr, &result), OCTAVO_OK);
  EXPECT_EQ(result.prompt_tokens, static_cast<int64_t>(prompt_.size()));
  EXPECT_EQ(result.generated_tokens, -7);
}

TEST_F(FailuresTest, ErrorsOfTheLibraryHaveAStatusAndAMessage) {
  octavo_model* model = nullptr;
  EXPECT_EQ(octavo_model_open("/nowhere.8vo", nullptr, &model), OCTAVO_IO);
  EXPECT_THAT(octavo_last_error(), HasSubstr("/nowhere.8vo"));
  EXPECT_EQ(model, nullptr);
  octavo_model_options options;
  ASSERT_EQ(octavo_model_options_init(&options, sizeof options), OCTAVO_OK);
  options.device = "abacus";
  EXPECT_EQ(octavo_model_open(file_.path().c_str(), &options, &model), OCTAVO_UNSUPPORTED)
      << octavo_last_error();
  const std::vector<int32_t> many(3000, 5);
  EXPECT_EQ(octavo_session_feed(session_.get(), many.data(), many.size(), nullptr, nullptr),
            OCTAVO_OUT_OF_RANGE);
  EXPECT_EQ(octavo_session_feed(session_.get(), many.data(), 0, nullptr, nullptr),
            OCTAVO_INVALID_ARGUMENT);
  const std::string here = octavo_last_error();
  std::thread([] { EXPECT_STREQ(octavo_last_error(), ""); }).join();
  EXPECT_EQ(octavo_last_error(), here);
  for (octavo_status status = OCTAVO_OK; status <= OCTAVO_INTERNAL; ++status) {
    EXPECT_STRNE(octavo_status_name(status), "unknown status") << status;
  }
  EXPECT_STREQ(octavo_status_name(-1), "unknown status");

  octavo_model_options_init(&options, sizeof options);
  options.gpu_layers = 1;  // the model has more, and the device is the CPU
  EXPECT_EQ(octavo_model_open(file_.path().c_str(), &options, &model), OCTAVO_INVALID_ARGUMENT);
  EXPECT_THAT(octavo_last_error(), HasSubstr("with device cuda alone"));
  options.gpu_layers = -1;
  options.experts_on_cpu = 1;
  EXPECT_EQ(octavo_model_open(file_.path().c_str(), &options, &model), OCTAVO_INVALID_ARGUMENT);
}

TEST_F(FailuresTest, ABusySessionRefusesOtherCalls) {
  const auto on_token = [](const octavo_token*, void* user) -> int32_t {
    auto* session = static_cast<octavo_session*>(user);
    EXPECT_EQ(octavo_session_rewind(session, 0), OCTAVO_BUSY);
    std::thread([session] {
      EXPECT_EQ(octavo_generate(session, nullptr, 0, nullptr, nullptr, nullptr, nullptr, nullptr),
                OCTAVO_BUSY);
    }).join();
    return 1;
  };
  octavo_generate_result result = {};
  result.struct_size = sizeof result;
  EXPECT_EQ(generate(on_token, session_.get(), &result), OCTAVO_OK);
  EXPECT_EQ(result.reason, OCTAVO_STOP_CALLBACK);
  EXPECT_EQ(result.generated_tokens, 1);
  EXPECT_EQ(octavo_session_rewind(session_.get(), 0), OCTAVO_OK);
}

struct CancelAfter {
  octavo_session* session;
  int tokens, seen = 0;
  bool frees = false;

  static int32_t on_token(const octavo_token*, void* user) {
    auto* self = static_cast<CancelAfter*>(user);
    if (++self->seen != self->tokens) return 0;
    std::thread([self] {
      EXPECT_EQ(
          self->frees ? octavo_session_free(self->session) : octavo_session_cancel(self->session),
          OCTAVO_OK);
    }).join();
    return 0;
  }
};

TEST_F(FailuresTest, AnotherThreadCancels) {
  CancelAfter cancel = {session_.get(), 3};
  octavo_generate_result result = {};
  result.struct_size = sizeof result;
  EXPECT_EQ(generate(CancelAfter::on_token, &cancel, &result), OCTAVO_CANCELLED);
  EXPECT_EQ(cancel.seen, 3);
  EXPECT_EQ(result.generated_tokens, 3);
  EXPECT_EQ(result.reason, OCTAVO_STOP_CANCELLED);
  EXPECT_EQ(info_of(session_).position, static_cast<int64_t>(prompt_.size()) + 2);
  // It was that call's alone; and one that finds nothing to end leaves the next alone, too.
  EXPECT_EQ(octavo_session_cancel(session_.get()), OCTAVO_OK);
  EXPECT_EQ(generate(nullptr, nullptr), OCTAVO_OK);
}

TEST_F(FailuresTest, FreeingCancels) {
  CancelAfter cancel = {session_.get(), 2, 0, true};
  EXPECT_EQ(generate(CancelAfter::on_token, &cancel), OCTAVO_CANCELLED);
  EXPECT_EQ(cancel.seen, 2);
  EXPECT_EQ(octavo_session_free(session_.release()), OCTAVO_INVALID_HANDLE);
}

TEST_F(FailuresTest, PrefillIsCancelledBetweenChunks) {
  octavo_session_options options;
  ASSERT_EQ(octavo_session_options_init(&options, sizeof options), OCTAVO_OK);
  options.chunk = 2;
  session_ = session_in_c(model_, &options);
  const std::vector<int32_t> ids(9, 5);
  const auto end_at_4 = [](int64_t done, int64_t total, void*) -> int32_t {
    EXPECT_EQ(total, 9);
    return done == 4 ? 1 : 0;
  };
  ASSERT_EQ(octavo_session_on_progress(session_.get(), end_at_4, nullptr), OCTAVO_OK);
  EXPECT_EQ(octavo_session_feed(session_.get(), ids.data(), ids.size(), nullptr, nullptr),
            OCTAVO_CANCELLED);
  EXPECT_EQ(info_of(session_).position, 4);
  const auto cancel = [](int64_t done, int64_t, void* user) -> int32_t {
    if (done == 6) octavo_session_cancel(static_cast<octavo_session*>(user));
    return 0;
  };
  ASSERT_EQ(octavo_session_on_progress(session_.get(), cancel, session_.get()), OCTAVO_OK);
  octavo_generate_result result = {};
  result.struct_size = sizeof result;
  EXPECT_EQ(octavo_generate(session_.get(), ids.data(), ids.size(), nullptr, nullptr, nullptr,
                            nullptr, &result),
            OCTAVO_CANCELLED);
  EXPECT_EQ(info_of(session_).position, 10);
  EXPECT_EQ(result.generated_tokens, 0);
  EXPECT_EQ(result.last_token, -1);
}

struct CancelInALayer {
  octavo_session* session;
  int64_t layer, last_layer = -1;

  static void on_routing(const octavo_routed_token* token, void* user) {
    auto* self = static_cast<CancelInALayer*>(user);
    self->last_layer = token->layer;
    if (token->layer != self->layer) return;
    std::thread([self] { EXPECT_EQ(octavo_session_cancel(self->session), OCTAVO_OK); }).join();
  }
};

TEST_F(FailuresTest, PrefillIsCancelledWithinALayer) {
  const std::vector<int32_t> ids(9, 5);
  CancelInALayer cancel = {session_.get(), 2};
  ASSERT_EQ(octavo_session_on_routing(session_.get(), CancelInALayer::on_routing, &cancel),
            OCTAVO_OK);
  EXPECT_EQ(octavo_session_feed(session_.get(), ids.data(), ids.size(), nullptr, nullptr),
            OCTAVO_CANCELLED);
  EXPECT_LE(cancel.last_layer, 3);  // of 0 to 5
  EXPECT_EQ(info_of(session_).position, 0);
  octavo_generate_result result = {};
  result.struct_size = sizeof result;
  EXPECT_EQ(generate(nullptr, nullptr, &result), OCTAVO_CANCELLED);
  EXPECT_EQ(result.reason, OCTAVO_STOP_CANCELLED);
  EXPECT_EQ(result.generated_tokens, 0);
  EXPECT_EQ(info_of(session_).position, 0);
  ASSERT_EQ(octavo_session_on_routing(session_.get(), nullptr, nullptr), OCTAVO_OK);
  EXPECT_EQ(generate(nullptr, nullptr, &result), OCTAVO_OK);
  EXPECT_EQ(result.reason, OCTAVO_STOP_MAX_TOKENS);
}

TEST_F(FailuresTest, WhatACallbackThrowsStaysInside) {
  const auto throws = [](const octavo_token*, void*) -> int32_t {
    throw std::runtime_error("the callback's own trouble");
  };
  EXPECT_EQ(generate(throws, nullptr), OCTAVO_INTERNAL);
  EXPECT_STREQ(octavo_last_error(), "the callback's own trouble");
  EXPECT_EQ(generate([](const octavo_token*, void*) -> int32_t { throw 1; }, nullptr),
            OCTAVO_INTERNAL);
  EXPECT_EQ(generate(nullptr, nullptr), OCTAVO_OK);
}

}  // namespace
}  // namespace octavo::test
