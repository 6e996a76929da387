// Stages that drop candidates by their probabilities.
#pragma once

#include "text/sampling/stage.h"

namespace octavo {

/// Keeps the `count` most likely (Fan et al. 2018, arXiv:1805.04833).
class TopK final : public SamplerStage {
 public:
  explicit TopK(size_t count) : count_(count) {}
  void apply(Candidates& candidates) override { candidates.keep_best(count_); }

 private:
  size_t count_;
};

/// Locally typical sampling (Meister et al. 2022, arXiv:2202.00666): keeps the fewest tokens whose
/// surprise is nearest to the entropy and whose probabilities sum to `mass`.
class Typical final : public SamplerStage {
 public:
  explicit Typical(double mass) : mass_(mass) {}
  void apply(Candidates& candidates) override;

 private:
  double mass_;
};

/// Nucleus sampling (Holtzman et al. 2019, arXiv:1904.09751): keeps the fewest of the most likely
/// whose probabilities sum to `mass`; always one.
class TopP final : public SamplerStage {
 public:
  explicit TopP(double mass) : mass_(mass) {}
  void apply(Candidates& candidates) override;

 private:
  double mass_;
};

/// Keeps those at least `share` times as likely as the best (Nguyen et al. 2024,
/// arXiv:2407.01082).
class MinP final : public SamplerStage {
 public:
  explicit MinP(double share) : share_(share) {}
  void apply(Candidates& candidates) override;

 private:
  double share_;
};

/// Exclude top choices (p-e-w, oobabooga/text-generation-webui pull request 6335): with
/// `probability`, of the tokens with at least `threshold` all but the least likely are dropped.
class Xtc final : public SamplerStage {
 public:
  /// `random` must outlive the stage.
  Xtc(double probability, double threshold, SamplerRandom& random)
      : probability_(probability), threshold_(threshold), random_(random) {}
  void apply(Candidates& candidates) override;

 private:
  double probability_, threshold_;
  SamplerRandom& random_;
};

}  // namespace octavo
