// Requests that cannot be honoured: a typed error, nothing computed, and the sequence goes on.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "octavo/error.hpp"
#include "octavo/octavo.hpp"
#include "support/converted.h"
#include "support/files.h"
#include "support/random.h"

namespace octavo::test {
namespace {

void expect_error(ErrorCode code, const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    const std::string message = error.what();
    EXPECT_FALSE(message.empty());
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

class Limits : public ::testing::Test {
 protected:
  static TransformerOptions options() {
    TransformerOptions options;
    options.context = 20;
    options.kv_type = KvType::kF32;
    return options;
  }
  Converted file_{test_data("tiny-mixtral") / "hf", Format::kF32};
  std::vector<int32_t> ids_ = Random(1).ids(20, 128);
};

TEST_F(Limits, RefusedCallsLeaveTheTransformerAsItWas) {
  Runner untouched(file_.path(), options()), runner(file_.path(), options());
  const Matrix expected = untouched.logits(ids_);
  runner.logits(std::span(ids_).first(10));
  expect_error(ErrorCode::kOutOfRange, [&] { runner.logits(std::span(ids_).first(11)); });
  expect_error(ErrorCode::kInvalidArgument, [&] { runner.logits(std::vector<int32_t>{1, 128}); });
  expect_error(ErrorCode::kInvalidArgument, [&] { runner.logits(std::vector<int32_t>{1, -1}); });
  expect_error(ErrorCode::kInvalidArgument, [&] { runner.transformer().rewind(11); });
  expect_error(ErrorCode::kInvalidArgument, [&] { runner.transformer().rewind(-1); });
  EXPECT_EQ(runner.transformer().position(), 10);
  EXPECT_LT(max_difference(runner.logits(std::span(ids_).last(10)), expected.bottomRows(10)), 5e-5);
  expect_error(ErrorCode::kOutOfRange, [&] { runner.logits(std::span(ids_).first(1)); });
  runner.transformer().rewind(0);
  EXPECT_LT(max_difference(runner.logits(ids_), expected), 1e-30) << "after starting again";
}

TEST_F(Limits, RewindTakesTokensBack) {
  Runner untouched(file_.path(), options()), runner(file_.path(), options());
  const Matrix expected = untouched.logits(ids_);
  runner.logits(std::span(ids_).first(8));
  runner.logits(std::vector<int32_t>{5, 6, 7, 8, 9});
  runner.transformer().rewind(8);
  EXPECT_LT(max_difference(runner.logits(std::span(ids_).last(12)), expected.bottomRows(12)), 5e-5);
}

TEST_F(Limits, AWindowForgetsWhatItCannotGiveBack) {
  const Converted windowed(test_data("tiny-mistral-swa") / "hf", Format::kF32);
  Runner runner(windowed.path(), options());
  const Matrix expected = runner.logits(ids_);
  // 20 tokens are all in the ring yet; later ones write over the first.
  runner.transformer().rewind(5);
  EXPECT_LT(max_difference(runner.logits(std::span(ids_).subspan(5)), expected.bottomRows(15)),
            5e-5);
  Runner longer(windowed.path());
  longer.logits(Random(2).ids(200, longer.config().vocab));
  expect_error(ErrorCode::kInvalidArgument, [&] { longer.transformer().rewind(5); });
  EXPECT_EQ(longer.transformer().position(), 200);
  longer.transformer().rewind(200);
  runner.transformer().rewind(0);
  EXPECT_LT(max_difference(runner.logits(ids_), expected), 1e-30);
}

TEST_F(Limits, RefusedCallsLeaveTheSessionAsItWas) {
  const Model model = Model::open(file_.path());
  SessionOptions session_options;
  session_options.context = 20;
  Session session(model, session_options), untouched(model, session_options);
  untouched.feed(std::span(ids_).first(10));
  session.feed(std::span(ids_).first(10));
  expect_error(ErrorCode::kOutOfRange, [&] { session.feed(std::span(ids_).first(11)); });
  expect_error(ErrorCode::kInvalidArgument, [&] { session.feed({}); });
  expect_error(ErrorCode::kInvalidArgument, [&] { session.feed(std::vector<int32_t>{1, 128}); });
  expect_error(ErrorCode::kInvalidArgument, [&] { session.feed(std::vector<int32_t>{-1}); });
  EXPECT_EQ(session.position(), 10);
  const std::span<const float> a = session.feed(std::span(ids_).last(10));
  const std::span<const float> b = untouched.feed(std::span(ids_).last(10));
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
  EXPECT_EQ(session.position(), session.context());
  expect_error(ErrorCode::kOutOfRange, [&] { session.feed(std::span(ids_).first(1)); });
  session.reset();
  EXPECT_EQ(session.position(), 0);
}

TEST_F(Limits, SessionsOfOneModelDoNotDisturbEachOther) {
  const Model model = Model::open(file_.path());
  Session a(model), b(model), alone(model);
  const std::vector<int32_t> other = Random(2).ids(20, 128);
  std::vector<float> last;
  for (size_t i = 0; i < ids_.size(); ++i) {
    const std::span<const float> logits = a.feed(std::span(ids_).subspan(i, 1));
    last.assign(logits.begin(), logits.end());
    b.feed(std::span(other).subspan(i, 1));
  }
  std::vector<float> expected;
  for (const int32_t id : ids_) {
    const std::span<const float> logits = alone.feed(std::span(&id, 1));
    expected.assign(logits.begin(), logits.end());
  }
  EXPECT_EQ(last, expected);
}

}  // namespace
}  // namespace octavo::test
