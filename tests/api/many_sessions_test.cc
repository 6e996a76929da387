// Sixteen sessions of one mapped model, from eight threads: each says what it says alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <cmath>
#include <memory>
#include <thread>

#include "api/session_models.h"
#include "support/temp_dir.h"

namespace octavo::test {
namespace {

constexpr size_t kSessions = 16, kThreads = 8;
constexpr int64_t kTurns = 3, kTurnTokens = 6;

/// All that a session gave, to compare.
struct Said {
  std::vector<int32_t> ids;
  std::string text;
  std::vector<float> logprobs, logits;
  std::vector<StopReason> reasons;
  std::vector<int32_t> held;
  bool operator==(const Said&) const = default;
};

/// One session's work, of a kind of its own, in turns.
class Work {
 public:
  Work(const Model& model, const Session& shared, size_t number)
      : model_(model), number_(number), session_(start(shared)) {}

  void turn() {
    GenerateOptions options = {.max_tokens = kTurnTokens, .whole_prompt = true, .logprobs = 2};
    if (number_ % 8 == 2) options.stop = {"the", "."};
    std::stop_source source;
    if (number_ % 8 == 3) options.cancel = source.get_token();
    int count = 0;
    const auto on_token = [&](const Token& token) {
      said_.ids.push_back(token.id);
      said_.text += token.text;
      said_.logprobs.push_back(token.logprob);
      for (const TokenLogprob& other : token.top) said_.logprobs.push_back(other.logprob);
      // From a thread of its own, but at a token that is always the same.
      if (++count == 4 && number_ % 8 == 3) std::thread([&] { source.request_stop(); }).join();
      if (count == 5 && number_ % 8 == 4) std::thread([&] { session_.cancel(); }).join();
      return true;
    };
    said_.reasons.push_back(generate(session_, prompt(), options, sampling(), on_token).reason);
    if (number_ % 8 == 5) save_and_restore();
    if (number_ % 8 == 6) session_ = session_.fork();
  }

  Said finish() {
    const auto logits = session_.prompt(session_.tokens());
    said_.logits.assign(logits.begin(), logits.end());
    said_.held = held(session_);
    return said_;
  }

 private:
  Session start(const Session& shared) const {
    if (number_ % 8 >= 6) return shared.fork();
    constexpr CacheType kTypes[] = {CacheType::kF16, CacheType::kQ8_0, CacheType::kBF16,
                                    CacheType::kF32};
    return Session(model_, {.context = 256,
                            .chunk = number_ % 3 == 0 ? 4 : 64,
                            .threads = number_ % 5 == 0 ? 2 : 1,
                            .cache = kTypes[number_ % 4],
                            .profile = number_ % 2 == 0});
  }
  std::vector<int32_t> prompt() const {
    if (session_.position() > 0 && number_ % 8 < 6) return held(session_);
    const std::string text = "Once upon a time there was number " + std::to_string(number_);
    if (number_ % 4 == 1) return model_.encode_chat(std::vector<ChatMessage>{{"user", text}});
    return model_.tokenize(text + " " + std::to_string(said_.reasons.size()));
  }
  SamplingOptions sampling() const {
    SamplingOptions options = {.temperature = number_ % 2 == 0 ? 0.0f : 1.2f, .seed = number_};
    if (number_ % 4 == 2) options.repeat_penalty = 1.3f;
    if (number_ % 4 == 3) options.mirostat = true;
    if (number_ % 8 == 7) options.json_schema = R"({"type": "object"})";
    return options;
  }
  void save_and_restore() {
    const TempDir folder;
    session_.save(folder.file("session"));
    session_ = Session::restore(model_, folder.file("session"), {.context = 256, .threads = 1});
  }

  const Model model_;
  const size_t number_;
  Session session_;
  Said said_;
};

class ManySessionsTest : public testing::Test {
 protected:
  const Converted file_{pocket_mixtral(), Format::kQ4_K};
  const Model model_ = Model::open(file_.path());
  Session shared_{model_, {.context = 256, .chunk = 16, .threads = 1}};

  void SetUp() override { shared_.feed(model_.tokenize("Once upon a time there was")); }
};

TEST_F(ManySessionsTest, SayWhatEachWouldSayAlone) {
  std::vector<Said> alone, together(kSessions);
  for (size_t i = 0; i < kSessions; ++i) {
    Work work(model_, shared_, i);
    for (int64_t turn = 0; turn < kTurns; ++turn) work.turn();
    alone.push_back(work.finish());
  }
  // A fork is made in the thread of its original; what it does then is its own.
  std::vector<std::unique_ptr<Work>> works;
  for (size_t i = 0; i < kSessions; ++i) {
    works.push_back(std::make_unique<Work>(model_, shared_, i));
  }
  std::barrier start(kThreads);
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      start.arrive_and_wait();
      for (int64_t turn = 0; turn < kTurns; ++turn) {  // two sessions by turns
        for (size_t i = thread; i < kSessions; i += kThreads) works[i]->turn();
      }
      for (size_t i = thread; i < kSessions; i += kThreads) {
        together[i] = works[i]->finish();
        works[i].reset();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < kSessions; ++i) {
    EXPECT_TRUE(together[i] == alone[i]) << "session " << i << ": " << together[i].text;
  }
  // The kinds that end otherwise did.
  EXPECT_THAT(alone[3].reasons, testing::Each(StopReason::kCancelled));
  EXPECT_THAT(alone[4].reasons, testing::Each(StopReason::kCancelled));
  EXPECT_THAT(alone[0].reasons, testing::Each(StopReason::kMaxTokens));
}

TEST_F(ManySessionsTest, CancelsThatComeAtAnyTimeReachTheirOwnSessionAlone) {
  std::vector<std::unique_ptr<Session>> sessions;
  for (size_t i = 0; i < kThreads; ++i) {
    sessions.push_back(std::make_unique<Session>(
        model_, SessionOptions{.context = 64, .threads = 1, .context_shift = true}));
  }
  std::atomic<size_t> running = kThreads;
  std::vector<StopReason> reasons(kThreads);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      // Odd ones go on until they are cancelled, even ones to their end.
      const GenerateOptions options = {.max_tokens = i % 2 == 0 ? 20 : -1};
      SamplingOptions sampling = {.seed = i};
      sampling.logit_bias = {{model_.info().eos, -INFINITY}};
      reasons[i] = generate(*sessions[i], model_.tokenize("and"), options, sampling, {}).reason;
      --running;
    });
  }
  while (running > 0) {
    for (size_t i = 1; i < kThreads; i += 2) sessions[i]->cancel();
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < kThreads; ++i) {
    EXPECT_EQ(reasons[i], i % 2 == 0 ? StopReason::kMaxTokens : StopReason::kCancelled);
    EXPECT_EQ(static_cast<int64_t>(sessions[i]->tokens().size()), sessions[i]->position());
  }
}

}  // namespace
}  // namespace octavo::test
