#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "octavo/octavo.hpp"

namespace octavo::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Nothing filtered, temperature 1.
SamplingOptions plain(uint64_t seed = 1) {
  return {.temperature = 1,
          .top_k = 0,
          .top_p = 1,
          .min_p = 0,
          .repeat_penalty = 1,
          .repeat_window = 64,
          .seed = seed};
}

std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  logits.reserve(probabilities.size());
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

std::map<int32_t, int> frequencies(const SamplingOptions& options, const std::vector<float>& logits,
                                   int draws) {
  Sampler sampler(options);
  std::map<int32_t, int> counts;
  for (int i = 0; i < draws; ++i) ++counts[sampler.sample(logits)];
  return counts;
}

/// The ids that ever come up.
std::set<int32_t> support(const SamplingOptions& options, const std::vector<float>& logits) {
  std::set<int32_t> ids;
  for (const auto& [id, count] : frequencies(options, logits, 4000)) ids.insert(id);
  return ids;
}

using testing::ElementsAre;

TEST(SamplerTest, GreedyTakesTheBestAndTiesGoToTheLowerId) {
  SamplingOptions options = plain();
  options.temperature = 0;
  Sampler sampler(options);
  EXPECT_EQ(sampler.sample(std::vector<float>{0, 3, 1, 3}), 1);
  EXPECT_EQ(sampler.sample(std::vector<float>{2, 2, 2}), 0);
  EXPECT_EQ(sampler.sample(std::vector<float>{-5, -4, -6}), 1);
}

TEST(SamplerTest, FrequenciesFollowTheProbabilities) {
  const std::vector<double> probabilities = {0.05, 0.4, 0.2, 0.1, 0.25};
  constexpr int kDraws = 20000;
  const auto counts = frequencies(plain(7), logits_of(probabilities), kDraws);
  double chi_square = 0;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    const double expected = probabilities[i] * kDraws;
    chi_square += std::pow(counts.at(static_cast<int32_t>(i)) - expected, 2) / expected;
  }
  EXPECT_LT(chi_square, 18.5);  // 4 degrees of freedom: one seed in a thousand is above
}

TEST(SamplerTest, TemperatureIsAPowerOfTheProbabilities) {
  SamplingOptions options = plain(3);
  options.temperature = 0.5f;  // squares them: 0.5, 0.3, 0.2 -> 25 : 9 : 4
  constexpr int kDraws = 20000;
  const auto counts = frequencies(options, logits_of({0.5, 0.3, 0.2}), kDraws);
  EXPECT_NEAR(counts.at(0), kDraws * 25 / 38.0, 4 * std::sqrt(kDraws * 0.25));
  EXPECT_NEAR(counts.at(1), kDraws * 9 / 38.0, 4 * std::sqrt(kDraws * 0.25));
  EXPECT_NEAR(counts.at(2), kDraws * 4 / 38.0, 4 * std::sqrt(kDraws * 0.25));
}

TEST(SamplerTest, TopKKeepsTheKBest) {
  const auto logits = logits_of({0.1, 0.3, 0.15, 0.25, 0.2});
  SamplingOptions options = plain();
  options.top_k = 2;
  EXPECT_THAT(support(options, logits), ElementsAre(1, 3));
  options.top_k = 1;
  EXPECT_THAT(support(options, logits), ElementsAre(1));
  options.top_k = 100;
  EXPECT_THAT(support(options, logits), ElementsAre(0, 1, 2, 3, 4));
}

TEST(SamplerTest, TopKTiesGoToTheLowerIds) {
  SamplingOptions options = plain();
  options.top_k = 2;
  EXPECT_THAT(support(options, {1, 1, 1, 1}), ElementsAre(0, 1));
}

TEST(SamplerTest, TopPKeepsTheFewestThatReachIt) {
  const auto logits = logits_of({0.125, 0.5, 0.125, 0.25});
  SamplingOptions options = plain();
  options.top_p = 0.49f;
  EXPECT_THAT(support(options, logits), ElementsAre(1));
  options.top_p = 0.51f;
  EXPECT_THAT(support(options, logits), ElementsAre(1, 3));
  options.top_p = 0.76f;
  EXPECT_THAT(support(options, logits), ElementsAre(0, 1, 3));
  options.top_p = 0.0f;
  EXPECT_THAT(support(options, logits), ElementsAre(1));
}

TEST(SamplerTest, MinPComparesWithTheBest) {
  const auto logits = logits_of({0.6, 0.25, 0.1, 0.05});
  SamplingOptions options = plain();
  options.min_p = 0.4f;
  EXPECT_THAT(support(options, logits), ElementsAre(0, 1));
  options.min_p = 0.15f;
  EXPECT_THAT(support(options, logits), ElementsAre(0, 1, 2));
  options.min_p = 1.0f;
  EXPECT_THAT(support(options, logits), ElementsAre(0));
}

TEST(SamplerTest, FiltersComeBeforeTheTemperature) {
  SamplingOptions options = plain();
  options.temperature = 100;  // nearly uniform over what the filters left
  options.top_p = 0.7f;
  EXPECT_THAT(support(options, logits_of({0.5, 0.3, 0.15, 0.05})), ElementsAre(0, 1));
}

TEST(SamplerTest, RepeatPenaltyWeakensRecentTokens) {
  SamplingOptions options = plain();
  options.temperature = 0;
  options.repeat_penalty = 2;
  options.repeat_window = 2;
  Sampler sampler(options);
  const std::vector<float> logits = {4, 3, 2.5f, -1};
  EXPECT_EQ(sampler.sample(logits), 0);
  EXPECT_EQ(sampler.sample(logits), 1);  // 0 counts 2 now
  EXPECT_EQ(sampler.sample(logits), 2);  // 1 counts 1.5 now
  EXPECT_EQ(sampler.sample(logits), 0);  // out of the window again
}

TEST(SamplerTest, RepeatPenaltyAlsoWeakensNegativeLogits) {
  SamplingOptions options = plain();
  options.temperature = 0;
  options.repeat_penalty = 2;
  Sampler sampler(options);
  sampler.accept(0);
  EXPECT_EQ(sampler.sample(std::vector<float>{-1, -1.5f}), 1);
  sampler.accept(-7);  // no token of this vocabulary: no harm
  sampler.accept(99);
  EXPECT_EQ(sampler.sample(std::vector<float>{5, 1}), 0);
}

TEST(SamplerTest, TheSeedDecides) {
  const std::vector<float> logits(50, 1.0f);
  const auto draw = [&logits](uint64_t seed) {
    Sampler sampler(plain(seed));
    std::vector<int32_t> ids(20);
    for (int32_t& id : ids) id = sampler.sample(logits);
    return ids;
  };
  EXPECT_EQ(draw(5), draw(5));
  EXPECT_NE(draw(5), draw(6));
  // The same on every platform: floor(50 * x / 2^64) for mt19937_64's x.
  EXPECT_THAT(draw(0), ElementsAre(7, 49, 1, 29, 27, 2, 31, 21, 42, 45, 21, 32, 46, 17, 12, 22, 39,
                                   34, 27, 14));
}

TEST(SamplerTest, StrangeLogitsDoNoHarm) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Sampler sampler(plain());
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(sampler.sample(std::vector<float>{nan, 1, -kInfinity}), 1);
    EXPECT_EQ(sampler.sample(std::vector<float>{0, kInfinity, kInfinity}), 1);
    EXPECT_EQ(sampler.sample(std::vector<float>{-kInfinity, -kInfinity}), 0);
    EXPECT_EQ(sampler.sample(std::vector<float>{nan, nan}), 0);
  }
  EXPECT_THROW(sampler.sample({}), Error);
}

TEST(SamplerTest, SmallestTemperatureIsGreedy) {
  SamplingOptions options = plain();
  options.temperature = std::numeric_limits<float>::denorm_min();
  EXPECT_THAT(support(options, {1, 1.0001f, 0.5f}), ElementsAre(1));
}

TEST(SamplerTest, RefusesValuesOutOfRange) {
  const auto refuses = [](auto change) {
    SamplingOptions options;
    change(options);
    EXPECT_THROW(Sampler{options}, Error);
  };
  for (const float bad : {-0.1f, std::nanf(""), kInfinity}) {
    refuses([bad](SamplingOptions& options) { options.temperature = bad; });
    refuses([bad](SamplingOptions& options) { options.top_p = bad; });
    refuses([bad](SamplingOptions& options) { options.min_p = bad; });
    refuses([bad](SamplingOptions& options) { options.repeat_penalty = bad; });
  }
  refuses([](SamplingOptions& options) { options.top_k = -1; });
  refuses([](SamplingOptions& options) { options.repeat_window = -1; });
  refuses([](SamplingOptions& options) { options.repeat_penalty = 0; });
  refuses([](SamplingOptions& options) { options.top_p = 1.01f; });
}

/// Sixteenths that differ from id to id and from step to step.
std::vector<float> uneven_logits(uint32_t step) {
  std::vector<float> logits(1000);
  for (uint32_t i = 0; i < logits.size(); ++i) {
    uint32_t hash = (i + 1000 * step) * 2654435761u;
    hash ^= hash >> 15;
    hash *= 2246822519u;
    hash ^= hash >> 13;
    logits[i] = static_cast<float>(hash % 4096) / 256;
  }
  return logits;
}

TEST(SamplerTest, SeedsGiveTheTokensOfVersion01) {
  struct Case {
    SamplingOptions options;
    std::vector<int32_t> ids;
  };
  const Case cases[] = {
      {{.seed = 77}, {232, 269, 875, 29, 717, 832, 949, 697, 270, 991, 767, 897}},
      {{.temperature = 1.5f, .top_k = 0, .top_p = 0.9f, .min_p = 0, .seed = 78},
       {994, 522, 686, 659, 811, 441, 548, 806, 964, 808, 139, 903}},
      {{.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0.1f, .seed = 79},
       {341, 987, 886, 44, 447, 921, 793, 209, 542, 419, 271, 630}},
      {{.temperature = 0.7f,
        .top_k = 200,
        .top_p = 1,
        .min_p = 0,
        .repeat_penalty = 1.3f,
        .repeat_window = 8,
        .seed = 80},
       {232, 853, 136, 360, 885, 126, 680, 841, 267, 224, 761, 143}},
      {{.temperature = 2, .top_k = 0, .top_p = 1, .min_p = 0, .seed = 81},
       {850, 18, 663, 508, 177, 875, 740, 627, 784, 295, 450, 382}},
  };
  for (const Case& one : cases) {
    Sampler sampler(one.options);
    std::vector<int32_t> ids;
    for (uint32_t step = 0; step < one.ids.size(); ++step) {
      const bool alternating = one.options.repeat_penalty != 1;
      ids.push_back(sampler.sample(uneven_logits(alternating ? step % 2 : step)));
    }
    EXPECT_EQ(ids, one.ids) << one.options.seed;
  }
}

SamplingOptions greedy() {
  SamplingOptions options = plain();
  options.temperature = 0;
  return options;
}

TEST(SamplerTest, GreedyComesAfterBiasAndPenalties) {
  SamplingOptions options = greedy();
  options.logit_bias = {{2, 10.0f}, {0, -kInfinity}};
  options.top_k = 1;  // has no say
  options.dynatemp_range = 5;
  options.xtc_probability = 1;
  Sampler sampler(options);
  EXPECT_EQ(sampler.sample(std::vector<float>{kInfinity, 3, 1, 3}), 2);
  options.presence_penalty = 100;
  Sampler punishing(options);
  punishing.accept(2);
  EXPECT_EQ(punishing.sample(std::vector<float>{9, 3, 1, 3}), 1);  // of equals the lower id
  options.mirostat = true;
  Sampler steered(options);
  EXPECT_EQ(steered.sample(std::vector<float>{9, 3, 1, 3}), 2);
}

TEST(SamplerTest, FrequencyCountsAndPresenceDoesNot) {
  SamplingOptions options = greedy();
  options.frequency_penalty = 1;
  options.repeat_window = 4;
  const std::vector<float> logits = {5, 3.5f, 2.5f};
  const auto choice = [&](std::vector<int32_t> history) {
    Sampler sampler(options);
    for (const int32_t id : history) sampler.accept(id);
    return sampler.sample(logits);
  };
  EXPECT_EQ(choice({0}), 0);              // 4
  EXPECT_EQ(choice({0, 0}), 1);           // 3
  EXPECT_EQ(choice({0, 0, 1, 1}), 0);     // 3, 1.5, 2.5
  EXPECT_EQ(choice({0, 0, 0, 1, 1}), 0);  // the window holds two of each
  options.frequency_penalty = 0;
  options.presence_penalty = 1;
  EXPECT_EQ(choice({0, 0, 0}), 0);  // 4, however often
  options.presence_penalty = 2;
  EXPECT_EQ(choice({0}), 1);
}

TEST(SamplerTest, DryWorkedExample) {
  // The context ends in "1 2", which 3 followed at first, and 4 once after "0 1 2".
  const std::vector<int32_t> history = {1, 2, 3, 0, 1, 2, 4, 0, 1, 2};
  SamplingOptions options = greedy();
  options.dry_multiplier = 1;
  options.dry_base = 2;
  std::vector<float> logits(6);
  logits[4] = 3.5f;  // "0 1 2" is 3 long: 1 * 2^(3 - 2) = 2 off
  logits[3] = 2.4f;  // "1 2" is 2 long: 2^0 = 1 off
  logits[5] = 1.45f;
  const auto choice = [&] {
    Sampler sampler(options);
    for (const int32_t id : history) sampler.accept(id);
    return sampler.sample(logits);
  };
  EXPECT_EQ(choice(), 4);  // 1.5, 1.4, 1.45
  logits[4] = 3.44f;
  EXPECT_EQ(choice(), 5);
  logits[3] = 2.46f;
  EXPECT_EQ(choice(), 3);
  options.dry_allowed_length = 3;  // 4: 1 off, 3: nothing
  EXPECT_EQ(choice(), 3);
  logits[4] = 3.5f;
  EXPECT_EQ(choice(), 4);
  options.dry_window = 3;  // too short to see anything twice
  logits[4] = 2.47f;
  EXPECT_EQ(choice(), 4);
}

TEST(SamplerTest, DryOfALongRepeatStaysFinite) {
  SamplingOptions options = greedy();
  options.dry_multiplier = 1;
  Sampler sampler(options);
  for (int i = 0; i < 5000; ++i) sampler.accept(0);
  EXPECT_EQ(sampler.sample(std::vector<float>{5, 1}), 1);
  EXPECT_EQ(sampler.sample(std::vector<float>{5, -kInfinity}), 0);
}

TEST(SamplerTest, XtcLeavesTheLeastLikelyOfTheTopChoices) {
  const auto logits = logits_of({0.4, 0.3, 0.2, 0.07, 0.03});
  SamplingOptions options = plain();
  options.xtc_probability = 1;
  options.xtc_threshold = 0.15f;
  EXPECT_THAT(support(options, logits), ElementsAre(2, 3, 4));
  options.xtc_threshold = 0.35f;  // one top choice alone stays
  EXPECT_THAT(support(options, logits), ElementsAre(0, 1, 2, 3, 4));
}

TEST(SamplerTest, TypicalDropsTheObviousToo) {
  // The entropy is 1.28 nats: 0.25 (1.39) is nearest, then 0.5 (0.69), then 0.0625 (2.77).
  const auto logits = logits_of({0.5, 0.25, 0.0625, 0.0625, 0.0625, 0.0625});
  SamplingOptions options = plain();
  options.typical_p = 0.2f;
  EXPECT_THAT(support(options, logits), ElementsAre(1));
  options.typical_p = 0.6f;
  EXPECT_THAT(support(options, logits), ElementsAre(0, 1));
}

TEST(SamplerTest, DynamicTemperatureOfEqualsIsTheHighest) {
  // Sure: near the lowest temperature, which is greedy. Unsure: equals stay equals.
  SamplingOptions options = plain();
  options.dynatemp_range = 1;
  options.dynatemp_exponent = 4;
  EXPECT_THAT(support(options, {20, 1, 0}), ElementsAre(0));
  EXPECT_THAT(support(options, {1, 1, 1}), ElementsAre(0, 1, 2));
}

TEST(SamplerTest, LogprobsAreTheModels) {
  const auto logits = logits_of({0.1, 0.4, 0.2, 0.3});
  const auto found = Sampler::logprobs(logits, 2, 3);
  ASSERT_EQ(found.size(), 4u);
  const std::pair<int32_t, double> expected[] = {{2, 0.2}, {1, 0.4}, {3, 0.3}, {2, 0.2}};
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].id, expected[i].first);
    EXPECT_NEAR(found[i].logprob, std::log(expected[i].second), 1e-6);
  }
  EXPECT_EQ(Sampler::logprobs(logits, 0, 99).size(), 5u);
  EXPECT_EQ(Sampler::logprobs(logits, 0, 0).size(), 1u);
  EXPECT_THROW(Sampler::logprobs(logits, 4, 1), Error);
  EXPECT_THROW(Sampler::logprobs(logits, -1, 1), Error);
  EXPECT_THROW(Sampler::logprobs(logits, 0, -1), Error);
}

TEST(SamplerTest, RefusesValuesOfFurtherStages) {
  const auto refuses = [](auto change, const char* name) {
    SamplingOptions options;
    change(options);
    try {
      Sampler sampler(options);
      ADD_FAILURE() << name << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_THAT(error.what(), testing::HasSubstr(name));
    }
  };
  for (const float bad : {std::nanf(""), kInfinity}) {
    refuses([bad](SamplingOptions& o) { o.frequency_penalty = bad; }, "frequency penalty");
    refuses([bad](SamplingOptions& o) { o.presence_penalty = bad; }, "presence penalty");
    refuses([bad](SamplingOptions& o) { o.dry_multiplier = bad; }, "DRY multiplier");
    refuses([bad](SamplingOptions& o) { o.dry_base = bad; }, "DRY base");
    refuses([bad](SamplingOptions& o) { o.typical_p = bad; }, "typical-p");
    refuses([bad](SamplingOptions& o) { o.xtc_probability = bad; }, "XTC probability");
    refuses([bad](SamplingOptions& o) { o.xtc_threshold = bad; }, "XTC threshold");
    refuses([bad](SamplingOptions& o) { o.dynatemp_range = bad; }, "range");
    refuses([bad](SamplingOptions& o) { o.dynatemp_exponent = bad; }, "exponent");
    refuses([bad](SamplingOptions& o) { o.mirostat_tau = bad; }, "tau");
    refuses([bad](SamplingOptions& o) { o.mirostat_eta = bad; }, "eta");
    refuses([bad](SamplingOptions& o) { o.logit_bias = {{1, bad}}; }, "logit bias");
  }
  refuses([](SamplingOptions& o) { o.dry_allowed_length = 0; }, "DRY allowed length");
  refuses([](SamplingOptions& o) { o.dry_window = -1; }, "DRY window");
  refuses([](SamplingOptions& o) { o.typical_p = 0; }, "typical-p");
  refuses([](SamplingOptions& o) { o.xtc_threshold = 0; }, "XTC threshold");
  refuses([](SamplingOptions& o) { o.mirostat_eta = 0; }, "eta");
  refuses([](SamplingOptions& o) { o.logit_bias = {{-1, 1.0f}}; }, "logit bias");
  refuses([](SamplingOptions& o) { o.grammar = o.json_schema = "{}"; }, "exclude each other");
  SamplingOptions outside = plain();
  outside.logit_bias = {{3, 1.0f}};
  Sampler sampler(outside);
  EXPECT_THROW(sampler.sample(std::vector<float>{1, 2, 3}), Error);
}

}  // namespace
}  // namespace octavo::test
