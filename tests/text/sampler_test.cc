#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "octavo/octavo.hpp"
#include "support/sampling.h"

namespace octavo::test {
namespace {

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

}  // namespace
}  // namespace octavo::test
