// Stages that change logits: a bias for chosen ids, and penalties for tokens that were there
// before.
#pragma once

#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/sampling/stage.h"

namespace octavo {

/// Adds a constant to the logits of some ids (OpenAI's logit_bias).
class LogitBias final : public SamplerStage {
 public:
  explicit LogitBias(std::vector<std::pair<int32_t, float>> bias) : bias_(std::move(bias)) {}
  void apply(Candidates& candidates) override;

 private:
  std::vector<std::pair<int32_t, float>> bias_;
};

struct PenaltyOptions {
  float repeat = 1, frequency = 0, presence = 0;
  size_t window = 64;  ///< tokens looked back on
};

/// Repetition: CTRL (Keskar et al. 2019, arXiv:1909.05858), with llama.cpp's multiplication of
/// negative logits. Frequency and presence: OpenAI's, over a window as in llama.cpp.
class Penalties final : public SamplerStage {
 public:
  explicit Penalties(const PenaltyOptions& options) : options_(options) {}
  void apply(Candidates& candidates) override;
  void accept(int32_t id) override;

 private:
  PenaltyOptions options_;
  std::deque<int32_t> recent_;               ///< at most `window`
  std::unordered_map<int32_t, int> counts_;  ///< of each id in `recent_`
};

}  // namespace octavo
