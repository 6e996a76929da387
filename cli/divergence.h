// How far the predictions of one model are from another's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "scored_text.h"

namespace octavo::cli {

/// At one token: what two models that read the same text said about it.
struct PredictionPair {
  double divergence = 0;          ///< Kullback-Leibler, of B's distribution from A's, nats
  bool same_top = false;          ///< the most likely token is the same
  double loss_a = 0, loss_b = 0;  ///< -log of the probability of the token that came
};

/// logits_a, logits_b [vocab]; id: the token that came.
PredictionPair compare_predictions(std::span<const float> logits_a, std::span<const float> logits_b,
                                   int32_t id);

/// Sums over many tokens.
class Divergence {
 public:
  void add(const PredictionPair& pair);

  int64_t count() const { return a_.count(); }
  const Score& a() const { return a_; }
  const Score& b() const { return b_; }
  /// Log of B's perplexity over A's, token by token.
  const Score& change() const { return change_; }
  double mean() const { return divergence_.mean(); }
  double mean_error() const { return divergence_.mean_error(); }
  /// Share of tokens with the same most likely one.
  double same_top() const;
  /// The divergence that a share of the tokens does not exceed: 0.5 the median, 1 the largest.
  double quantile(double share) const;

 private:
  Score a_, b_, change_, divergence_;
  int64_t same_top_ = 0;
  std::vector<float> divergences_;  // [count]
};

}  // namespace octavo::cli
