// Sessions on shipped models: the prefix that is not computed again, going back, progress, forks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <utility>

#include "api/session_models.h"
#include "support/memory.h"

namespace octavo::test {
namespace {

using testing::ElementsAre;
using testing::Pair;

/// With a window of 8 keys and without one; f32, so that chunks cut anywhere give nearly the same.
class SessionTest : public testing::TestWithParam<const char*> {
 protected:
  const Converted file_{test_data(GetParam()) / "hf", Format::kF32};
  const Model model_ = Model::open(file_.path());
  const std::vector<int32_t> ids_ = Random(3).ids(200, model_.info().vocab);

  std::span<const int32_t> first(size_t count) const { return std::span(ids_).first(count); }
  static constexpr double kTolerance = 5e-5;  // max abs, what the project promises of f32
};

INSTANTIATE_TEST_SUITE_P(Models, SessionTest, testing::Values("tiny-mixtral", "tiny-mistral-swa"),
                         [](const auto& test) {
                           return test.param == std::string("tiny-mixtral") ? "Full" : "Window";
                         });

TEST_P(SessionTest, TokensAreAllThatItWasFed) {
  Session session(model_);
  EXPECT_TRUE(session.tokens().empty());
  session.feed(first(5));
  session.evaluate(std::span(ids_).subspan(5, 6), 2, [](int64_t, std::span<const float>) {});
  EXPECT_EQ(held(session), std::vector<int32_t>(ids_.begin(), ids_.begin() + 11));
  session.reset();
  EXPECT_TRUE(session.tokens().empty());
}

TEST_P(SessionTest, APrefixThatIsThereIsNotComputedAgain) {
  for (const size_t common : {0, 1, 20, 149, 150}) {
    Session session(model_);
    session.feed(first(150));
    std::vector<int32_t> other(ids_.begin(), ids_.begin() + static_cast<int64_t>(common));
    const std::vector<int32_t> tail = Random(4).ids(30, model_.info().vocab);
    other.insert(other.end(), tail.begin(), tail.end());
    if (common < 150)
      other[common] = (ids_[common] + 1) % static_cast<int32_t>(model_.info().vocab);
    int64_t computed = 0;
    session.on_progress([&](int64_t, int64_t total) {
      computed = total;
      return true;
    });
    const std::span<const float> logits = session.prompt(other);
    // 150 tokens go around a ring of two pages: the first are out of its reach.
    const bool is_lost = model_.info().window > 0 && common <= 20;
    EXPECT_EQ(session.reused(), is_lost ? 0 : static_cast<int64_t>(common));
    EXPECT_EQ(computed, static_cast<int64_t>(other.size()) - session.reused());
    EXPECT_EQ(held(session), other);
    Session anew(model_);
    const std::span<const float> expected = anew.feed(other);
    for (size_t i = 0; i < logits.size(); ++i) ASSERT_NEAR(logits[i], expected[i], kTolerance);
    EXPECT_EQ(go_on(session, 20).ids, go_on(anew, 20).ids);
  }
}

TEST_P(SessionTest, AllOfItThereComputesNothingOrTheLastToken) {
  Session session(model_);
  const std::span<const float> fed = session.feed(first(150));
  const std::vector<float> logits(fed.begin(), fed.end());
  std::vector<std::pair<int64_t, int64_t>> calls;
  session.on_progress([&](int64_t done, int64_t total) {
    calls.emplace_back(done, total);
    return true;
  });
  const auto again = session.prompt(first(150));
  EXPECT_EQ(std::vector<float>(again.begin(), again.end()), logits);
  EXPECT_EQ(session.reused(), 150);
  EXPECT_THAT(calls, ElementsAre());

  session.feed(std::span(ids_).subspan(150, 10));
  calls.clear();
  const auto shorter = session.prompt(first(150));
  for (size_t i = 0; i < logits.size(); ++i) ASSERT_NEAR(shorter[i], logits[i], kTolerance);
  EXPECT_EQ(session.reused(), 149);
  EXPECT_THAT(calls, ElementsAre(Pair(1, 1)));
  EXPECT_EQ(session.position(), 150);
}

TEST_P(SessionTest, GoesBack) {
  Session session(model_);
  session.feed(first(200));
  session.rewind(199);
  EXPECT_EQ(held(session), std::vector<int32_t>(ids_.begin(), ids_.begin() + 199));
  EXPECT_THROW(session.rewind(200), Error);
  EXPECT_THROW(session.rewind(-1), Error);
  if (model_.info().window > 0) {
    EXPECT_THROW(session.rewind(20), Error);
    EXPECT_EQ(session.position(), 199);
    session.rewind(90);  // the ring has two pages
  } else {
    session.rewind(20);
  }
  const auto position = static_cast<size_t>(session.position());
  session.feed(std::span(ids_).subspan(position, 100 - position));
  Session anew(model_);
  anew.feed(first(100));
  EXPECT_EQ(go_on(session, 10).ids, go_on(anew, 10).ids);
  session.rewind(0);
  session.feed(first(10));
  anew.reset();
  anew.feed(first(10));
  EXPECT_EQ(go_on(session, 10), go_on(anew, 10));
}

TEST_P(SessionTest, ProgressIsToldAfterEachChunk) {
  Session session(model_, {.chunk = 4});
  std::vector<std::pair<int64_t, int64_t>> calls;
  session.on_progress([&](int64_t done, int64_t total) {
    calls.emplace_back(done, total);
    return true;
  });
  session.feed(first(10));
  EXPECT_THAT(calls, ElementsAre(Pair(4, 10), Pair(8, 10), Pair(10, 10)));
  calls.clear();
  session.evaluate(first(5), 3, [](int64_t, std::span<const float>) {});
  EXPECT_THAT(calls, ElementsAre(Pair(4, 5), Pair(5, 5)));
  calls.clear();
  session.on_progress({});
  session.feed(first(10));
  EXPECT_THAT(calls, ElementsAre());
}

TEST_P(SessionTest, WhatWasComputedBeforeACancelStays) {
  Session session(model_, {.chunk = 16}), undisturbed(model_, {.chunk = 16});
  session.on_progress([](int64_t done, int64_t) { return done < 96; });
  try {
    session.feed(ids_);
    FAIL() << "nobody was asked";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  EXPECT_EQ(held(session), std::vector<int32_t>(ids_.begin(), ids_.begin() + 96));
  session.on_progress({});
  session.prompt(ids_);
  EXPECT_EQ(session.reused(), 96);
  undisturbed.feed(ids_);
  EXPECT_EQ(go_on(session, 10), go_on(undisturbed, 10));
}

TEST_P(SessionTest, ACancelAfterTheLastChunkComesTooLate) {
  Session session(model_, {.chunk = 16});
  session.on_progress([](int64_t done, int64_t total) { return done < total; });
  EXPECT_NO_THROW(session.feed(ids_));
  EXPECT_EQ(session.position(), 200);
}

TEST_P(SessionTest, AnErrorOfTheCallerLeavesTokensAndPositionAlike) {
  Session session(model_, {.chunk = 8});
  const auto refuse = [](int64_t index, std::span<const float>) {
    if (index == 10) throw std::runtime_error("enough");
  };
  EXPECT_THROW(session.evaluate(ids_, 0, refuse), std::runtime_error);
  EXPECT_EQ(session.position(), 16);
  EXPECT_EQ(session.tokens().size(), 16u);
  session.prompt(ids_);
  EXPECT_EQ(session.reused(), 16);
}

TEST_P(SessionTest, GenerateReusesAWholePrompt) {
  Session session(model_);
  const SamplingOptions greedy = {.temperature = 0};
  const auto generated = [&](Session& on, std::span<const int32_t> prompt, bool whole) {
    std::vector<int32_t> ids;
    const GenerateResult result = generate(on, prompt, {.max_tokens = 8, .whole_prompt = whole},
                                           greedy, [&](const Token& token) {
                                             ids.push_back(token.id);
                                             return true;
                                           });
    return std::pair(result, ids);
  };
  const auto [alone, expected] = generated(session, first(60), false);
  EXPECT_EQ(alone.reused, 0);
  ASSERT_EQ(alone.generated_tokens, 8);
  const auto [again, ids] = generated(session, first(60), true);
  EXPECT_EQ(again.reused, 59);
  EXPECT_EQ(again.prompt_tokens, 60);
  EXPECT_EQ(ids, expected);
  EXPECT_EQ(session.position(), 67);
  // Where the session is: its own tokens are the prompt.
  const auto [next, more] = generated(session, session.tokens(), true);
  EXPECT_EQ(next.reused, 67);
  EXPECT_EQ(more.front(), expected.back());
}

TEST_P(SessionTest, ForksGoOnAsTwoSessionsWould) {
  Session session(model_), one(model_), two(model_);
  session.feed(first(150));
  one.feed(first(150));
  two.feed(first(150));
  Session fork = session.fork();
  EXPECT_EQ(held(fork), held(session));
  const auto other = std::span(ids_).subspan(150, 7);
  fork.feed(other);
  two.feed(other);
  EXPECT_EQ(go_on(session, 90), go_on(one, 90));
  EXPECT_EQ(go_on(fork, 90), go_on(two, 90));
}

TEST_P(SessionTest, ForksRunOnThreadsOfTheirOwn) {
  Session session(model_, {.threads = 1});
  session.feed(first(150));
  Session alone = session.fork();
  const Course expected = go_on(alone, 80);
  std::vector<Course> courses(8);
  std::vector<Session> forks;
  for (size_t i = 0; i < courses.size(); ++i) forks.push_back(session.fork());
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (size_t i = thread; i < courses.size(); i += 4) {
        courses[i] = go_on(forks[i], 80);
        Session(std::move(forks[i]));  // its pages go while others are written
      }
    });
  }
  const Course own = go_on(session, 80);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(own, expected);
  EXPECT_THAT(courses, testing::Each(expected));
}

TEST(SessionMemoryTest, AForkCopiesWhatIsWrittenAlone) {
  if (kIsSanitized) GTEST_SKIP() << "a sanitizer's own memory would be counted";
  ModelConfig config = one_layer_config(0);
  config.layers = 8;
  config.heads = config.kv_heads = 8;
  config.head_dim = 128;
  const Converted file(config, 1, Format::kF16);
  const Model model = Model::open(file.path());
  Session session(model, {.chunk = 32, .threads = 1});
  session.feed(Random(2).ids(1000, config.vocab));
  const int64_t cache = session.cache_bytes();
  ASSERT_GT(cache, 30'000'000);
  const int64_t before = private_bytes();
  std::vector<Session> forks;
  for (int i = 0; i < 16; ++i) {
    forks.push_back(session.fork());
    forks.back().feed(std::vector<int32_t>{7});
  }
  // Each has a page of the cache, of which there are 16, and its own activations.
  EXPECT_LT(private_bytes() - before, 16 * (cache / 16 + 2'000'000));
  EXPECT_EQ(forks.front().cache_bytes(), cache);
}

}  // namespace
}  // namespace octavo::test
