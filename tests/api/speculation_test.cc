// Generating with drafts gives what generating without them gives: tokens, logits, session.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "api/session_models.h"
#include "support/sampling.h"

namespace octavo::test {
namespace {

/// Everything that can be seen of a call.
struct Seen {
  std::vector<int32_t> ids, held;
  std::string text;
  std::vector<float> logprobs;
  std::vector<int64_t> positions;
  StopReason reason = StopReason::kEos;
  int64_t generated = 0;
  bool operator==(const Seen&) const = default;
};

struct Generated {
  Seen seen;
  GenerateResult result;
};

Generated run(Session& session, std::span<const int32_t> prompt, Speculation speculation,
              const SamplingOptions& sampling = {.temperature = 0}, int64_t count = 60,
              const TokenCallback& also = {}) {
  Generated all;
  GenerateOptions options = {.max_tokens = count, .logprobs = 3};
  options.speculation = speculation;
  all.result = generate(session, prompt, options, sampling, [&](const Token& token) {
    all.seen.ids.push_back(token.id);
    all.seen.text += token.text;
    all.seen.logprobs.push_back(token.logprob);
    for (const TokenLogprob& other : token.top) all.seen.logprobs.push_back(other.logprob);
    all.seen.positions.push_back(session.position());
    return !also || also(token);
  });
  all.seen.reason = all.result.reason;
  all.seen.generated = all.result.generated_tokens;
  all.seen.held = held(session);
  return all;
}

/// A few random tokens, again and again.
std::vector<int32_t> repetition(int64_t period, int64_t count, int64_t vocab, uint64_t seed) {
  const std::vector<int32_t> once = Random(seed).ids(period, vocab);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(once[static_cast<size_t>(i % period)]);
  return ids;
}

class SpeculationTest : public testing::Test {
 protected:
  const Converted file_{pocket_mixtral(), Format::kQ4_K};
  const Model model_ = Model::open(file_.path());
  Session open() const { return Session(model_, {.threads = 1}); }
  std::vector<int32_t> story() const {
    return model_.tokenize(
        "The old ship left the harbour in the morning. The old ship left the harbour in the "
        "evening. The old ship left the harbour in the morning. The old ship left");
  }
};

TEST_F(SpeculationTest, GreedyTextIsTheSame) {
  int64_t accepted = 0;
  for (uint64_t seed = 0; seed < 12; ++seed) {
    const auto prompt =
        seed == 0 ? story()
                  : repetition(3 + static_cast<int64_t>(seed) % 9, 40, model_.info().vocab, seed);
    Session plain = open(), drafting = open(), automatic = open();
    const Generated expected = run(plain, prompt, Speculation::kOff);
    const Generated always = run(drafting, prompt, Speculation::kOn);
    ASSERT_EQ(always.seen, expected.seen);
    ASSERT_EQ(run(automatic, prompt, Speculation::kAuto).seen, expected.seen);
    EXPECT_EQ(expected.result.drafted, 0);
    EXPECT_LE(always.result.accepted, always.result.drafted);
    EXPECT_EQ(always.result.decoded_tokens, expected.result.decoded_tokens);
    accepted += always.result.accepted;
    ASSERT_EQ(go_on(drafting, 20), go_on(plain, 20));
  }
  EXPECT_GT(accepted, 100);
}

TEST(SpeculationModelsTest, EveryFormatCacheAndWindow) {
  int64_t accepted = 0;
  for (const Format format : all_formats()) {
    for (const int64_t window : {0, 20, 100}) {
      ModelConfig config = one_layer_config(window);
      config.layers = 2;
      config.architecture = "mixtral";
      config.experts = 4;
      config.experts_per_token = 2;
      const Converted file(config, 8, format);
      const Model model = Model::open(file.path());
      for (const CacheType cache :
           {CacheType::kF32, CacheType::kF16, CacheType::kBF16, CacheType::kQ8_0}) {
        const auto prompt = repetition(5, 150, model.info().vocab, 9);
        const SessionOptions options = {.context = 600, .threads = 1, .cache = cache};
        Session plain(model, options), drafting(model, options);
        const Generated expected = run(plain, prompt, Speculation::kOff);
        const Generated always = run(drafting, prompt, Speculation::kOn);
        ASSERT_EQ(always.seen, expected.seen) << format_name(format) << ", window " << window;
        ASSERT_EQ(go_on(drafting, 5), go_on(plain, 5));
        accepted += always.result.accepted;
      }
    }
  }
  EXPECT_GT(accepted, 100);
}

std::vector<std::pair<const char*, SamplingOptions>> every_sampler() {
  const SamplingOptions all = {.temperature = 0.7f, .seed = 11};
  std::vector<std::pair<const char*, SamplingOptions>> list = {{"defaults", all}};
  const auto add = [&](const char* name, const auto& change) {
    list.emplace_back(name, all);
    change(list.back().second);
  };
  add("greedy", [](SamplingOptions& s) { s.temperature = 0; });
  add("hot", [](SamplingOptions& s) { s.temperature = 1.5f; });
  add("top-k", [](SamplingOptions& s) { s.top_k = 3; });
  add("top-p", [](SamplingOptions& s) { s.top_p = 0.5f; });
  add("min-p", [](SamplingOptions& s) { s.min_p = 0.3f; });
  add("typical", [](SamplingOptions& s) { s.typical_p = 0.6f; });
  add("repeat", [](SamplingOptions& s) { s.repeat_penalty = 1.2f; });
  add("frequency", [](SamplingOptions& s) { s.frequency_penalty = 0.2f; });
  add("presence", [](SamplingOptions& s) { s.presence_penalty = 0.4f; });
  add("greedy with penalties", [](SamplingOptions& s) {
    s.temperature = 0;
    s.repeat_penalty = 1.05f;
    s.repeat_window = 6;
  });
  add("dry", [](SamplingOptions& s) {
    s.dry_multiplier = 0.3f;
    s.dry_allowed_length = 6;
  });
  add("xtc", [](SamplingOptions& s) {
    s.xtc_probability = 0.4f;
    s.xtc_threshold = 0.05f;
  });
  add("dynamic temperature", [](SamplingOptions& s) { s.dynatemp_range = 0.5f; });
  add("mirostat", [](SamplingOptions& s) { s.mirostat = true; });
  add("bias", [](SamplingOptions& s) { s.logit_bias = {{300, 2.0f}, {400, -kInfinity}}; });
  add("grammar",
      [](SamplingOptions& s) { s.grammar = "root ::= (\" the\" | \" old\" | \" ship\")+"; });
  add("grammar with an end",
      [](SamplingOptions& s) { s.grammar = "root ::= (\" the old ship\" | \" the harbour\"){7}"; });
  add("schema", [](SamplingOptions& s) {
    s.json_schema = R"({"type": "array", "items": {"enum": ["ship", "harbour"]}, "minItems": 9})";
  });
  return list;
}

TEST_F(SpeculationTest, TheSameSeedGivesTheSameTextWithEverySampler) {
  for (const auto& [name, sampling] : every_sampler()) {
    int64_t drafted = 0, accepted = 0;
    for (uint64_t seed = 1; seed <= 2; ++seed) {
      SamplingOptions options = sampling;
      options.seed = seed;
      Session plain = open(), drafting = open();
      const Generated expected = run(plain, story(), Speculation::kOff, options, 80);
      const Generated always = run(drafting, story(), Speculation::kOn, options, 80);
      ASSERT_EQ(always.seen, expected.seen) << name << ", seed " << seed;
      drafted += always.result.drafted;
      accepted += always.result.accepted;
    }
    EXPECT_GT(drafted, 0) << name;
    if (std::string_view(name) == "greedy") {
      EXPECT_GT(accepted, 10);
    }
  }
}

// The second token behind a prompt that makes the lookup draft: its distribution given the first.
TEST(SpeculationModelsTest, DrawsFollowTheModelsProbabilities) {
  ModelConfig config = one_layer_config(0);
  config.vocab = 12;
  const Converted file(config, 4, Format::kF32);
  const Model model = Model::open(file.path());
  const std::vector<int32_t> prompt = repetition(4, 32, config.vocab, 5);
  Session base(model, {.context = 100, .threads = 1});
  base.feed(std::span(prompt).first(31));
  const std::span<const int32_t> last = std::span(prompt).subspan(31);

  constexpr int kDraws = 6000;
  std::map<int32_t, std::map<int32_t, int>> counts;
  int64_t accepted = 0, drafted = 0;
  for (uint64_t seed = 0; seed < kDraws; ++seed) {
    const Generated drawn = run(base, last, Speculation::kOn, plain(seed), 3);
    base.rewind(31);
    drafted += drawn.result.drafted;
    accepted += drawn.result.accepted;
    if (drawn.seen.ids.size() == 3)
      ++counts[drawn.seen.ids[0] * 100 + drawn.seen.ids[1]][drawn.seen.ids[2]];
  }
  EXPECT_GT(accepted, drafted / 50);
  EXPECT_LT(accepted, drafted);
  double chi_square = 0;
  int degrees = 0;
  for (const auto& [before, draws] : counts) {
    std::vector<int32_t> ids = prompt;
    ids.push_back(before / 100);
    ids.push_back(before % 100);
    Session session(model, {.context = 100, .threads = 1});
    const std::span<const float> logits = session.feed(ids);
    // EOS ends the text before its third token.
    double all = 0, total = 0;
    for (int32_t id = 0; id < config.vocab; ++id) {
      if (id != model.info().eos)
        all += std::exp(static_cast<double>(logits[static_cast<size_t>(id)]));
    }
    for (const auto& [id, count] : draws) total += count;
    if (total < 400) continue;
    for (int32_t id = 0; id < config.vocab; ++id) {
      if (id == model.info().eos) continue;
      const double expected =
          total * std::exp(static_cast<double>(logits[static_cast<size_t>(id)])) / all;
      const auto drawn = draws.find(id);
      chi_square += std::pow((drawn == draws.end() ? 0 : drawn->second) - expected, 2) / expected;
      ++degrees;
    }
    --degrees;
  }
  ASSERT_GT(degrees, 5);
  // Its mean and four deviations.
  EXPECT_LT(chi_square, degrees + 4 * std::sqrt(2.0 * degrees));
}

TEST_F(SpeculationTest, TheEndOfTheContextIsTheSame) {
  for (const bool shift : {false, true}) {
    for (const int64_t context : {48, 50, 64, 65}) {
      const SessionOptions options = {
          .context = context, .threads = 1, .context_shift = shift, .keep = 2};
      const auto prompt = repetition(4, 40, model_.info().vocab, 3);
      Session plain(model_, options), drafting(model_, options);
      const Generated expected = run(plain, prompt, Speculation::kOff, {.temperature = 0}, 120);
      ASSERT_EQ(run(drafting, prompt, Speculation::kOn, {.temperature = 0}, 120).seen,
                expected.seen);
      EXPECT_EQ(expected.seen.reason, shift ? StopReason::kMaxTokens : StopReason::kContextFull);
    }
  }
}

TEST_F(SpeculationTest, CallbacksSeeASessionWithoutDrafts) {
  const TempDir folder;
  Session plain = open(), drafting = open();
  std::vector<std::vector<int32_t>> expected, seen;
  run(plain, story(), Speculation::kOff, {.temperature = 0}, 40, [&](const Token&) {
    expected.push_back(held(plain));
    return true;
  });
  std::vector<Session> forks;
  run(drafting, story(), Speculation::kOn, {.temperature = 0}, 40, [&](const Token&) {
    seen.push_back(held(drafting));
    if (seen.size() == 12) forks.push_back(drafting.fork());
    if (seen.size() == 20) drafting.save(folder.file("session"));
    return true;
  });
  EXPECT_EQ(seen, expected);
  Session restored = Session::restore(model_, folder.file("session"));
  ASSERT_EQ(held(forks.front()), expected[11]);
  ASSERT_EQ(held(restored), expected[19]);
  Session anew = open();
  anew.prompt(expected[11]);
  EXPECT_EQ(go_on(forks.front(), 8).ids, go_on(anew, 8).ids);
}

TEST_F(SpeculationTest, EndsAndCancelsLeaveTheSameSession) {
  for (const int64_t last : {1, 2, 5, 9, 14, 15, 16, 23}) {
    Session plain = open(), drafting = open(), cancelled = open();
    const auto stop_at = [&](int64_t count) {
      return [count, n = int64_t{0}](const Token&) mutable { return ++n < count; };
    };
    const Generated expected =
        run(plain, story(), Speculation::kOff, {.temperature = 0}, 60, stop_at(last));
    ASSERT_EQ(run(drafting, story(), Speculation::kOn, {.temperature = 0}, 60, stop_at(last)).seen,
              expected.seen);
    int64_t count = 0;
    const Generated stopped =
        run(cancelled, story(), Speculation::kOn, {.temperature = 0}, 60, [&](const Token&) {
          if (++count == last) cancelled.cancel();
          return true;
        });
    EXPECT_EQ(stopped.seen.reason, StopReason::kCancelled);
    EXPECT_EQ(stopped.seen.ids, expected.seen.ids);
    EXPECT_EQ(stopped.seen.held, expected.seen.held);
    const Course course = go_on(plain, 10);
    EXPECT_EQ(go_on(drafting, 10), course);
    EXPECT_EQ(go_on(cancelled, 10), course);
  }
}

TEST_F(SpeculationTest, NothingIsComputedBeyondTheLastToken) {
  for (const int64_t count : {1, 2, 3, 7}) {
    Session session = open();
    const Generated always = run(session, story(), Speculation::kOn, {.temperature = 0}, count);
    EXPECT_LE(always.result.drafted, std::max<int64_t>(0, count - 2));
  }
}

TEST_F(SpeculationTest, RoutingIsSeenOfTheTextAlone) {
  Session session = open();
  std::vector<int64_t> positions;
  session.trace_routing([&](const RoutedToken& routed) {
    if (routed.layer == 0) positions.push_back(routed.position);
  });
  const Generated always = run(session, story(), Speculation::kOn);
  EXPECT_EQ(always.result.drafted, 0);
  ASSERT_EQ(positions.size(), static_cast<size_t>(session.position()));
  for (size_t i = 0; i < positions.size(); ++i) EXPECT_EQ(positions[i], static_cast<int64_t>(i));
}

TEST_F(SpeculationTest, ASessionThatGoesOnKnowsWhatItHolds) {
  // The first call leaves nothing ahead; the second drafts from what the first one wrote.
  Session plain = open(), drafting = open();
  for (int turn = 0; turn < 3; ++turn) {
    const auto prompt = turn == 0 ? story() : model_.tokenize(" The old ship", false);
    const Generated expected = run(plain, prompt, Speculation::kOff, {.temperature = 0}, 25);
    ASSERT_EQ(run(drafting, prompt, Speculation::kOn, {.temperature = 0}, 25).seen, expected.seen);
    if (turn == 1) {
      plain.rewind(30);
      drafting.rewind(30);
    }
  }
}

}  // namespace
}  // namespace octavo::test
