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

}  // namespace
}  // namespace octavo::test
