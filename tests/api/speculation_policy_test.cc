// The policy on simulated machines: what passes cost and which drafts are accepted is known.
#include "api/speculation_policy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "support/random.h"

namespace octavo::test {
namespace {

constexpr PassShape kMixture = {
    .layers = 32, .experts = 8, .experts_per_token = 2, .expert_share = 0.95, .most_rows = 15};
constexpr PassShape kDense = {.layers = 32, .most_rows = 15};

/// Experts that `rows` touch which choose at random.
double random_experts(double rows) { return 32 * 8 * (1 - std::pow(0.75, rows)); }

/// Seconds of a pass of a mixture that is bound by the experts it reads.
double mixture_seconds(int64_t rows) {
  return 0.1 * (0.05 + 0.95 * random_experts(static_cast<double>(rows)) / 64);
}

/// Generates with the policy as a session does.
struct Machine {
  std::function<double(int64_t)> seconds;  ///< of a pass of so many rows
  double acceptance = 0;                   ///< of each drafted token
  double matched = 1;                      ///< share of the tokens that have a match at all
  int64_t match = 6;                       ///< tokens of it
  bool is_mixture = true;

  double time = 0;
  int64_t tokens = 0, passes = 0, drafts = 0;
  Random random = Random(1);

  bool draw(double probability) { return random.uniform(0, 1) < probability; }

  void run(SpeculationPolicy& policy, int64_t count) {
    for (const int64_t end = tokens + count; tokens < end;) {
      const int64_t found = draw(matched) ? match : 0;
      const int64_t drafted = policy.choose(found, 14);
      const double took = seconds(drafted + 1);
      const auto touched = std::lround(random_experts(static_cast<double>(drafted + 1)));
      policy.note_pass(drafted + 1, took, is_mixture ? touched : 0);
      time += took;
      ++passes;
      drafts += drafted > 0;
      ++tokens;
      // The token after each that is accepted shows whether the lookup was right, the first one
      // without a draft too.
      for (int64_t i = 0; found > 0 && i <= drafted; ++i) {
        const bool came = draw(acceptance);
        policy.note_token(found + i, came);
        if (!came || i == drafted) break;
        ++tokens;
      }
    }
  }
  /// Beside a machine that never drafts.
  double speedup() const { return static_cast<double>(tokens) * seconds(1) / time; }
};

TEST(SpeculationPolicyTest, DraftsNothingWithoutAMatch) {
  SpeculationPolicy policy(kDense);
  EXPECT_EQ(policy.choose(32, 14), 0);  // nothing was measured
  policy.note_pass(1, 0.1, 0);
  EXPECT_EQ(policy.choose(0, 14), 0);
  EXPECT_EQ(policy.choose(32, 0), 0);
  EXPECT_EQ(policy.choose(32, 3), 3);
}

TEST(SpeculationPolicyTest, CopiesInLongDrafts) {
  SpeculationPolicy policy(kMixture);
  Machine machine{.seconds = mixture_seconds, .acceptance = 0.99, .match = 20};
  machine.run(policy, 1000);
  EXPECT_GT(machine.speedup(), 2.5);
  EXPECT_GE(policy.choose(20, 14), 10);
}

TEST(SpeculationPolicyTest, AMixtureNeedsMoreThanADenseModel) {
  // Two of three accepted: a dense model that reads its weights once for all rows gains, a mixture
  // reads other experts for each.
  SpeculationPolicy mixture(kMixture), dense(kDense);
  Machine dear{.seconds = mixture_seconds, .acceptance = 0.6},
      cheap{.seconds = [](int64_t rows) { return 0.1 + 0.002 * static_cast<double>(rows); },
            .acceptance = 0.6,
            .is_mixture = false};
  dear.run(mixture, 2000);
  cheap.run(dense, 2000);
  EXPECT_EQ(mixture.choose(6, 14), 0);
  EXPECT_GT(dense.choose(6, 14), 2);
  EXPECT_GT(cheap.speedup(), 2);
  EXPECT_GT(dear.speedup(), 0.98);
}

TEST(SpeculationPolicyTest, CostsLittleWhereItDoesNotPay) {
  for (const double acceptance : {0.0, 0.1, 0.3, 0.5}) {
    SpeculationPolicy policy(kMixture);
    Machine machine{.seconds = mixture_seconds, .acceptance = acceptance};
    machine.run(policy, 200);
    EXPECT_GT(machine.speedup(), 0.96) << acceptance;  // what it began with was wrong
    machine.time = 0;
    machine.tokens = 0;
    machine.run(policy, 4000);
    EXPECT_GT(machine.speedup(), 0.98) << acceptance;
  }
}

TEST(SpeculationPolicyTest, TurnsOffWhereRowsCostAsMuchAsTokens) {
  // Arithmetic bounds this machine: nothing is gained by rows together.
  SpeculationPolicy policy(kDense);
  Machine machine{.seconds = [](int64_t rows) { return 0.1 * static_cast<double>(rows); },
                  .acceptance = 0.95,
                  .match = 20,
                  .is_mixture = false};
  machine.run(policy, 500);
  machine.time = 0;
  machine.tokens = machine.passes = machine.drafts = 0;
  machine.run(policy, 5000);
  EXPECT_GT(machine.speedup(), 0.98);
  EXPECT_LT(machine.drafts, machine.passes / 20);
}

TEST(SpeculationPolicyTest, TurnsOnAgainWhenDraftsAreAccepted) {
  SpeculationPolicy policy(kMixture);
  Machine machine{.seconds = mixture_seconds, .acceptance = 0.05, .match = 12};
  machine.run(policy, 500);
  EXPECT_EQ(policy.choose(12, 14), 0);
  machine.acceptance = 0.98;
  machine.run(policy, 100);  // nothing is drafted for it to see that
  EXPECT_GT(policy.choose(12, 14), 5);
}

TEST(SpeculationPolicyTest, FindsOutThatPassesHaveBecomeCheaper) {
  SpeculationPolicy policy(kDense);
  // Something else kept the machine busy whenever there was a draft.
  for (int i = 0; i < 20; ++i) {
    policy.note_pass(1, 0.1, 0);
    for (int64_t rows = 2; rows <= 15; ++rows) policy.note_pass(rows, 1.5, 0);
    policy.note_token(20, true);
  }
  Machine machine{.seconds = [](int64_t rows) { return 0.1 + 0.002 * static_cast<double>(rows); },
                  .acceptance = 0.95,
                  .match = 20,
                  .is_mixture = false};
  EXPECT_EQ(policy.choose(20, 14), 0);
  machine.run(policy, 60000);
  machine.time = 0;
  machine.tokens = 0;
  machine.run(policy, 1000);
  EXPECT_GT(machine.speedup(), 3);
}

TEST(SpeculationPolicyTest, MeasuredCostsReplaceAssumedOnes) {
  SpeculationPolicy policy(kMixture);
  EXPECT_EQ(policy.cost(1), 1);
  // 2 experts of 8, then on average 3.5 and 4.625 in three rows.
  EXPECT_NEAR(policy.cost(2), 1 + 0.95 * (3.5 / 2 - 1) + 0.02, 1e-9);
  policy.note_pass(1, 0.1, 64);
  policy.note_pass(4, 0.3, 170);
  EXPECT_NEAR(policy.cost(4), 3, 1e-6);
  EXPECT_LE(policy.cost(3), policy.cost(4));
  EXPECT_GT(policy.cost(5), policy.cost(4));
  for (int i = 0; i < 100; ++i) policy.note_pass(4, 0.2, 120);
  EXPECT_NEAR(policy.cost(4), 2, 0.01);
}

TEST(SpeculationPolicyTest, RowsThatShareExpertsAreCheaper) {
  SpeculationPolicy apart(kMixture), together(kMixture);
  for (int i = 0; i < 50; ++i) {
    for (SpeculationPolicy* policy : {&apart, &together}) policy->note_pass(1, 0.1, 64);
    apart.note_pass(2, 0.17, std::lround(random_experts(2)));
    together.note_pass(2, 0.1, 64);  // the same experts for both
  }
  EXPECT_NEAR(together.cost(8), 1 + 0.02 * 7, 0.05);
  EXPECT_NEAR(apart.cost(8) / apart.cost(2),
              (1 + 0.95 * (random_experts(8) / 64 - 1) + 0.14) /
                  (1 + 0.95 * (random_experts(2) / 64 - 1) + 0.02),
              0.05);
}

TEST(SpeculationPolicyTest, OnePassThatWasHeldUpIsNoRule) {
  SpeculationPolicy policy(kDense);
  for (int i = 0; i < 20; ++i) {
    policy.note_pass(1, 0.1, 0);
    policy.note_pass(8, 0.12, 0);
  }
  policy.note_pass(8, 10, 0);
  EXPECT_LT(policy.cost(8), 1.5);
}

}  // namespace
}  // namespace octavo::test
