// Each stage's distribution against the plain reference: 100,000 draws, chi-square.
#include <gtest/gtest.h>

#include <limits>

#include "octavo/octavo.hpp"
#include "support/plain_sampler.h"
#include "support/random.h"
#include "support/sampling.h"

namespace octavo::test {
namespace {

constexpr int kDraws = 100'000;
constexpr int kVocab = 30;

std::vector<float> logits() { return Random(5).normals(kVocab, 1.5f); }

/// As long as the windows below, so that a draw does not stay in them.
const std::vector<int32_t> kHistory = {3, 7, 7, 12, 4, 7, 3, 20, 7, 12, 4, 7, 9, 1, 3, 20, 7, 12};

void expect_distribution(const SamplingOptions& options) {
  Sampler sampler(options);
  std::vector<int> counts(kVocab);
  for (int draw = 0; draw < kDraws; ++draw) {
    for (const int32_t id : kHistory) sampler.accept(id);
    ++counts[static_cast<size_t>(sampler.sample(logits()))];
  }
  const std::vector<double> expected = plain_probabilities(options, logits(), kHistory);
  const ChiSquare result = chi_square(counts, expected);
  EXPECT_GE(result.freedom, 1) << "a distribution of one token tests nothing";
  EXPECT_LT(result.statistic, result.bound()) << result.freedom << " degrees of freedom";
  // And it is another one than without the stage, so that a stage left out would show.
  SamplingOptions without = plain(11);
  without.temperature = options.temperature == 1 ? 1 : 2;
  if (options.temperature != 1) without.temperature = 1;
  const ChiSquare other = chi_square(counts, plain_probabilities(without, logits(), kHistory));
  EXPECT_GT(other.statistic, 10 * other.bound());
}

TEST(SamplerStages, Temperature) {
  for (const float temperature : {0.5f, 1.7f}) {
    SamplingOptions options = plain(11);
    options.temperature = temperature;
    expect_distribution(options);
  }
}

TEST(SamplerStages, LogitBias) {
  SamplingOptions options = plain(11);
  options.logit_bias = {
      {2, 3.0f}, {20, -1.5f}, {7, -std::numeric_limits<float>::infinity()}, {2, -0.5f}};
  expect_distribution(options);
}

TEST(SamplerStages, RepeatPenalty) {
  SamplingOptions options = plain(11);
  options.repeat_penalty = 1.8f;
  options.repeat_window = 9;
  expect_distribution(options);
}

TEST(SamplerStages, FrequencyAndPresencePenalties) {
  SamplingOptions options = plain(11);
  options.repeat_window = static_cast<int>(kHistory.size());
  options.frequency_penalty = 0.4f;
  expect_distribution(options);
  options.presence_penalty = -0.9f;  // negative: likes repetition
  expect_distribution(options);
  options.frequency_penalty = 0;
  expect_distribution(options);
}

TEST(SamplerStages, Dry) {
  SamplingOptions options = plain(11);
  options.dry_multiplier = 0.8f;
  options.dry_window = static_cast<int>(kHistory.size());
  expect_distribution(options);
  options.dry_base = 1.2f;
  options.dry_allowed_length = 1;
  expect_distribution(options);
}

TEST(SamplerStages, TopK) {
  SamplingOptions options = plain(11);
  options.top_k = 6;
  expect_distribution(options);
}

TEST(SamplerStages, Typical) {
  for (const float mass : {0.3f, 0.7f}) {
    SamplingOptions options = plain(11);
    options.typical_p = mass;
    expect_distribution(options);
  }
}

TEST(SamplerStages, TopP) {
  SamplingOptions options = plain(11);
  options.top_p = 0.8f;
  expect_distribution(options);
}

TEST(SamplerStages, MinP) {
  for (const float share : {0.05f, 0.15f, 0.4f}) {
    SamplingOptions options = plain(11);
    options.min_p = share;
    expect_distribution(options);
  }
}

TEST(SamplerStages, Xtc) {
  for (const float probability : {0.4f, 1.0f}) {
    SamplingOptions options = plain(11);
    options.xtc_probability = probability;
    options.xtc_threshold = 0.07f;
    expect_distribution(options);
  }
}

TEST(SamplerStages, DynamicTemperature) {
  SamplingOptions options = plain(11);
  options.temperature = 1.2f;
  options.dynatemp_range = 0.9f;
  options.dynatemp_exponent = 1.6f;
  expect_distribution(options);
  options.dynatemp_range = 3;  // the lower end stays at 0
  expect_distribution(options);
}

TEST(SamplerStages, Mirostat) {
  SamplingOptions options = plain(11);
  options.mirostat = true;
  options.mirostat_tau = 1.9f;
  options.mirostat_eta = 1e-9f;  // mu stays where it begins
  expect_distribution(options);
  // What mirostat replaces has no say.
  options.top_k = 1;
  expect_distribution(options);
}

TEST(SamplerStages, AllTogether) {
  SamplingOptions options = plain(11);
  options.temperature = 1.3f;
  options.top_k = 20;
  options.typical_p = 0.95f;
  options.top_p = 0.97f;
  options.min_p = 0.02f;
  options.repeat_penalty = 1.1f;
  options.repeat_window = static_cast<int>(kHistory.size());
  options.frequency_penalty = 0.1f;
  options.presence_penalty = 0.1f;
  options.dry_multiplier = 0.3f;
  options.dry_window = static_cast<int>(kHistory.size());
  options.xtc_probability = 0.5f;
  options.dynatemp_range = 0.3f;
  options.logit_bias = {{5, 1.0f}};
  expect_distribution(options);
}

TEST(SamplerStages, MirostatSteersTheSurprise) {
  std::vector<float> zipf(1000);
  for (size_t i = 0; i < zipf.size(); ++i) zipf[i] = -std::log(static_cast<float>(i + 1));
  for (const float tau : {2.0f, 4.0f}) {
    SamplingOptions options = plain(11);
    options.mirostat = true;
    options.mirostat_tau = tau;
    Sampler sampler(options);
    // The error of mu's steps sums up to its way, so the mean surprise among the kept tokens is
    // tau; of all tokens each has more.
    double sum = 0;
    constexpr int kTokens = 20'000;
    for (int i = 0; i < kTokens; ++i) {
      const int32_t id = sampler.sample(zipf);
      sum -= Sampler::logprobs(zipf, id, 0).front().logprob / std::log(2.0);
    }
    EXPECT_GT(sum / kTokens, tau);
    EXPECT_LT(sum / kTokens, tau + 2.5);
  }
}

TEST(PlainRepeats, WorkedExample) {
  // a b c c b c y a b c: after "a b c" came c, after "c" came b (and "b c" was not before it),
  // after "b c" came y.
  const std::vector<int> longest = plain_repeats({0, 1, 2, 2, 1, 2, 24, 0, 1, 2}, 25);
  EXPECT_EQ(longest[2], 3);
  EXPECT_EQ(longest[1], 1);
  EXPECT_EQ(longest[24], 2);
  EXPECT_EQ(longest[0], 0);
}

}  // namespace
}  // namespace octavo::test
