// The stages beyond those of a plain sampler: exact cases.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "octavo/octavo.hpp"
#include "support/sampling.h"

namespace octavo::test {
namespace {

using testing::ElementsAre;

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
