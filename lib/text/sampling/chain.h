// The stages in their order, and the draw at the end.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "octavo/octavo.hpp"
#include "text/sampling/stage.h"

namespace octavo {

class SamplerChain {
 public:
  /// `grammar` may be null; `is_breaker` says which tokens end DRY's sequences and may be {}.
  /// Throws Error(kInvalidArgument).
  SamplerChain(const SamplingOptions& options, std::unique_ptr<SamplerStage> grammar,
               std::function<bool(int32_t)> is_breaker);

  void accept(int32_t id);
  /// Throws Error(kInvalidArgument) for a bias on a token that is none of `vocab`, as sample does.
  void check_bias(size_t vocab) const;
  /// `logits` [vocab]. The chosen token is accepted.
  int32_t sample(std::span<const float> logits);

 private:
  void add_changing_stages(const SamplingOptions& options, std::unique_ptr<SamplerStage> grammar,
                           std::function<bool(int32_t)> is_breaker);
  void add_choosing_stages(const SamplingOptions& options);

  struct Choice {
    int32_t id;
    double probability;
  };
  Choice choose(std::span<const float> logits);
  /// By the likelihoods.
  Choice draw();

  using Stages = std::vector<std::unique_ptr<SamplerStage>>;
  SamplerRandom random_;
  bool greedy_;
  int32_t largest_biased_ = -1;
  Stages changing_;  ///< before greedy choice too
  Stages choosing_;  ///< not with greedy choice
  Candidates candidates_;
};

}  // namespace octavo
