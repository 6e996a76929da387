// Calls that are ended from outside: what is computed stays, what is begun is as if it had not
// been.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "api/session_models.h"
#include "support/temp_dir.h"
#include "support/thrown.h"

namespace octavo::test {
namespace {

ModelConfig mixture_config(int64_t window) {
  ModelConfig config = one_layer_config(window);
  config.architecture = "mixtral";
  config.layers = 3;
  config.experts = 4;
  config.experts_per_token = 2;
  return config;
}

const SamplingOptions kGreedy = {.temperature = 0};

struct Shape {
  int64_t window, chunk;
};

/// Without a window; with one whose ring (192 keys) a chunk overwrites partly, in places that are
/// still seen; one that a chunk goes around wholly; and chunks that overwrite nothing that is seen.
class CancelTest : public testing::TestWithParam<Shape> {
 protected:
  const Converted file_{mixture_config(GetParam().window), 5, Format::kF32};
  const Model model_ = Model::open(file_.path());
  const std::vector<int32_t> ids_ = Random(3).ids(700, model_.info().vocab);
  const SessionOptions options_ = {.chunk = GetParam().chunk, .threads = 1};

  std::span<const int32_t> first(int64_t count) const {
    return std::span(ids_).first(static_cast<size_t>(count));
  }
  std::span<const int32_t> from(int64_t position) const {
    return std::span(ids_).subspan(static_cast<size_t>(position));
  }
  int64_t chunks() const { return (700 + options_.chunk - 1) / options_.chunk; }
  Session after(int64_t count) const {
    Session session(model_, options_);
    if (count > 0) session.feed(first(count));
    return session;
  }
  static std::vector<float> copied(std::span<const float> logits) {
    return {logits.begin(), logits.end()};
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, CancelTest,
                         testing::Values(Shape{0, 100}, Shape{70, 150}, Shape{70, 250},
                                         Shape{70, 50}),
                         [](const auto& test) {
                           return "Window" + std::to_string(test.param.window) + "Chunk" +
                                  std::to_string(test.param.chunk);
                         });

TEST_P(CancelTest, WithinALayerTheChunkIsDropped) {
  for (int64_t chunk = 0; chunk < chunks(); ++chunk) {
    const int64_t position = chunk * options_.chunk;
    Session undisturbed = after(position);
    const std::vector<float> expected = copied(undisturbed.feed(from(position)));
    const Course course = go_on(undisturbed, 5);
    for (const int64_t layer : {0, 1}) {
      Session session(model_, options_);
      session.trace_routing([&](const RoutedToken& routed) {
        if (routed.layer == layer && routed.position >= position) session.cancel();
      });
      EXPECT_EQ(thrown_by([&] { session.feed(ids_); }).code, ErrorCode::kCancelled);
      session.trace_routing({});
      ASSERT_EQ(session.position(), position);
      EXPECT_EQ(held(session), std::vector<int32_t>(ids_.begin(), ids_.begin() + position));
      EXPECT_EQ(copied(session.feed(from(position))), expected);
      EXPECT_EQ(go_on(session, 5), course);
    }
  }
}

TEST_P(CancelTest, TheTokenBeforeADroppedChunkCanBeComputedAgain) {
  for (int64_t chunk = 1; chunk < chunks(); ++chunk) {
    const int64_t position = chunk * options_.chunk;
    Session session(model_, options_);
    session.trace_routing([&](const RoutedToken& routed) {
      if (routed.position >= position) session.cancel();
    });
    EXPECT_THROW(session.feed(ids_), Error);
    session.trace_routing({});
    Session undisturbed = after(position);
    const auto logits = session.prompt(first(position));
    EXPECT_EQ(session.reused(), position - 1);
    const auto expected = undisturbed.prompt(first(position));
    for (size_t i = 0; i < logits.size(); ++i) ASSERT_NEAR(logits[i], expected[i], 5e-5);
  }
}

TEST_P(CancelTest, InTheLastLayerAChunkIsDone) {
  Session session(model_, options_);
  session.trace_routing([&](const RoutedToken& routed) {
    if (routed.layer == 2) session.cancel();
  });
  EXPECT_EQ(thrown_by([&] { session.feed(ids_); }).message,
            "stopped after " + std::to_string(options_.chunk) + " of 700 tokens");
  EXPECT_EQ(session.position(), options_.chunk);
  EXPECT_NO_THROW(session.feed(first(options_.chunk)));  // it came too late
}

TEST_P(CancelTest, WhatWasKnownBeforeTheCallIsStillKnown) {
  Session session = after(300);
  const std::vector<float> logits = copied(session.prompt(first(300)));
  session.trace_routing([&](const RoutedToken&) { session.cancel(); });
  EXPECT_THROW(session.feed(from(300)), Error);
  session.trace_routing({});
  EXPECT_EQ(copied(session.prompt(first(300))), logits);
  EXPECT_EQ(session.reused(), 300);
}

TEST_P(CancelTest, ASessionThatWasCancelledCanBeSavedAndForked) {
  Session session(model_, options_);
  session.trace_routing([&](const RoutedToken& routed) {
    if (routed.layer == 1 && routed.position >= 500) session.cancel();
  });
  EXPECT_THROW(session.feed(ids_), Error);
  session.trace_routing({});
  const int64_t position = session.position();
  ASSERT_GT(position, 0);
  const TempDir folder;
  session.save(folder.file("session"));
  Session fork = session.fork(),
          restored = Session::restore(model_, folder.file("session"), options_);
  const std::vector<float> expected = copied(session.feed(from(position)));
  EXPECT_EQ(copied(fork.feed(from(position))), expected);
  EXPECT_EQ(copied(restored.feed(from(position))), expected);
}

TEST_P(CancelTest, EvaluateGivesWholeChunks) {
  Session session(model_, options_);
  int64_t given = 0;
  const auto count = [&given](int64_t index, std::span<const float>) { EXPECT_EQ(index, given++); };
  session.trace_routing([&](const RoutedToken& routed) {
    if (routed.position >= 2 * options_.chunk) session.cancel();
  });
  EXPECT_EQ(thrown_by([&] { session.evaluate(ids_, 0, count); }).code, ErrorCode::kCancelled);
  EXPECT_EQ(given, 2 * options_.chunk);
  EXPECT_EQ(session.position(), given);
}

TEST_P(CancelTest, WhatAnObserverThrowsLeavesTheKeysToo) {
  const int64_t position = (chunks() - 1) * options_.chunk;
  Session session(model_, options_);
  session.trace_routing([&](const RoutedToken& routed) {
    if (routed.layer == 1 && routed.position >= position) throw std::runtime_error("enough");
  });
  EXPECT_THROW(session.feed(ids_), std::runtime_error);
  session.trace_routing({});
  ASSERT_EQ(session.position(), position);
  Session undisturbed = after(position);
  EXPECT_EQ(copied(session.feed(from(position))), copied(undisturbed.feed(from(position))));
}

TEST_P(CancelTest, AnotherThreadMayCancelAtAnyTime) {
  Session session(model_, options_), undisturbed = after(700);
  std::atomic<bool> is_done = false;
  std::thread canceller([&] {
    for (int i = 0; i < 20 && !is_done; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      session.cancel();
    }
  });
  int64_t before = 0;
  while (thrown_by([&] { session.prompt(ids_); }).code) {
    EXPECT_EQ(session.position() % options_.chunk, 0);
    EXPECT_GE(session.position(), before);
    before = session.position();
  }
  is_done = true;
  canceller.join();
  EXPECT_EQ(go_on(session, 5), go_on(undisturbed, 5));
}

/// Generating on the shipped model.
class CancelledGenerateTest : public testing::Test {
 protected:
  const Converted file_{pocket_mixtral(), Format::kQ4_0};
  const Model model_ = Model::open(file_.path());
  const std::vector<int32_t> prompt_ = model_.tokenize("Once upon a time");
  Session session_{model_, {.threads = 1}};
  std::vector<int32_t> ids_;

  /// Calls `on_token` with the number of tokens so far.
  GenerateResult generate_with(const GenerateOptions& options,
                               const std::function<void(size_t)>& on_token) {
    return generate(session_, prompt_, options, kGreedy, [&](const Token& token) {
      ids_.push_back(token.id);
      on_token(ids_.size());
      return true;
    });
  }
  void expect_going_on_is_right() {
    Session other(model_, {.threads = 1});
    std::vector<int32_t> expected;
    const auto collect = [](std::vector<int32_t>& to) {
      return [&to](const Token& token) {
        to.push_back(token.id);
        return true;
      };
    };
    generate(other, prompt_, {.max_tokens = static_cast<int64_t>(ids_.size()) + 10}, kGreedy,
             collect(expected));
    std::vector<int32_t> whole = prompt_;
    whole.insert(whole.end(), ids_.begin(), ids_.end());
    generate(session_, whole, {.max_tokens = 10, .whole_prompt = true}, kGreedy, collect(ids_));
    EXPECT_EQ(ids_, expected);
  }
};

TEST_F(CancelledGenerateTest, ItsOwnCallbackEndsItWithinTheToken) {
  const GenerateResult result = generate_with({.max_tokens = -1}, [this](size_t count) {
    if (count == 7) session_.cancel();
  });
  EXPECT_EQ(result.reason, StopReason::kCancelled);
  EXPECT_EQ(result.generated_tokens, 7);
  // The last one is not in the session yet, as ever.
  EXPECT_EQ(session_.position(), static_cast<int64_t>(prompt_.size()) + 6);
  expect_going_on_is_right();
}

TEST_F(CancelledGenerateTest, AStopTokenEndsItFromAnotherThread) {
  std::stop_source source;
  std::thread canceller;
  const GenerateResult result =
      generate_with({.max_tokens = -1, .cancel = source.get_token()}, [&](size_t count) {
        if (count == 3) canceller = std::thread([&source] { source.request_stop(); });
      });
  canceller.join();
  EXPECT_EQ(result.reason, StopReason::kCancelled);
  EXPECT_GE(result.generated_tokens, 3);
  expect_going_on_is_right();
}

TEST_F(CancelledGenerateTest, RequestedBeforeNothingIsComputed) {
  std::stop_source source;
  source.request_stop();
  for (const bool whole : {false, true}) {
    const GenerateResult result = generate_with(
        {.whole_prompt = whole, .cancel = source.get_token()}, [](size_t) { FAIL(); });
    EXPECT_EQ(result.reason, StopReason::kCancelled);
    EXPECT_EQ(result.generated_tokens, 0);
    EXPECT_EQ(session_.position(), 0);
  }
  session_.feed(prompt_);
  const GenerateResult result =
      generate_with({.whole_prompt = true, .cancel = source.get_token()}, [](size_t) { FAIL(); });
  EXPECT_EQ(result.reason, StopReason::kCancelled);
  EXPECT_EQ(session_.position(), static_cast<int64_t>(prompt_.size()));
}

TEST_F(CancelledGenerateTest, WithNoCallAtWorkCancelDoesNothing) {
  session_.cancel();
  session_.cancel();
  EXPECT_EQ(generate_with({.max_tokens = 4}, [](size_t) {}).reason, StopReason::kMaxTokens);
  session_.cancel();
  session_.reset();
  EXPECT_NO_THROW(session_.feed(prompt_));
}

TEST_F(CancelledGenerateTest, TwiceIsOnceAndAfterTheLastTokenTooLate) {
  const auto cancel_at = [this](size_t at) {
    return [this, at](size_t count) {
      if (count != at) return;
      session_.cancel();
      session_.cancel();
    };
  };
  EXPECT_EQ(generate_with({.max_tokens = 4}, cancel_at(2)).reason, StopReason::kCancelled);
  ids_.clear();
  session_.reset();
  EXPECT_EQ(generate_with({.max_tokens = 4}, cancel_at(4)).reason, StopReason::kMaxTokens);
}

TEST_F(CancelledGenerateTest, ThePromptsUnfinishedChunkIsDropped) {
  Session session(model_, {.chunk = 2, .threads = 1});
  int64_t calls = 0;
  session.trace_routing([&](const RoutedToken& routed) {
    if (routed.position == 2 && routed.layer == 3) session.cancel();
  });
  const GenerateResult result = generate(session, prompt_, {}, kGreedy, [&calls](const Token&) {
    ++calls;
    return true;
  });
  EXPECT_EQ(result.reason, StopReason::kCancelled);
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(session.position(), 2);
}

TEST_F(CancelledGenerateTest, ProgressThatSaysNoCancelsThePrompt) {
  Session session(model_, {.chunk = 2, .threads = 1});
  session.on_progress([](int64_t done, int64_t) { return done < 4; });
  EXPECT_EQ(generate(session, prompt_, {}, kGreedy, {}).reason, StopReason::kCancelled);
  EXPECT_EQ(session.position(), 4);
}

TEST_F(CancelledGenerateTest, AForkIsCancelledOnItsOwn) {
  session_.feed(prompt_);
  Session fork = session_.fork();
  const GenerateResult result =
      generate_with({.max_tokens = 5}, [&fork](size_t) { fork.cancel(); });
  EXPECT_EQ(result.reason, StopReason::kMaxTokens);
}

TEST_F(CancelledGenerateTest, WhileTheContextShifts) {
  Session session(model_, {.context = 16, .threads = 1, .context_shift = true});
  int64_t count = 0;
  const auto cancel = [&](const Token&) {
    if (++count == 50) session.cancel();
    return true;
  };
  const GenerateResult result = generate(session, prompt_, {.max_tokens = -1}, kGreedy, cancel);
  EXPECT_EQ(result.reason, StopReason::kCancelled);
  EXPECT_EQ(result.generated_tokens, 50);
  EXPECT_EQ(static_cast<int64_t>(session.tokens().size()), session.position());
}

}  // namespace
}  // namespace octavo::test
