// DRY ("don't repeat yourself"): weakens tokens that would continue a sequence which is in the
// context already. By p-e-w (oobabooga/text-generation-webui pull request 5677), as llama.cpp has
// it.
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "text/sampling/stage.h"

namespace octavo {

struct DryOptions {
  float multiplier = 0, base = 1.75f;
  int allowed_length = 2;
  size_t window = 0;  ///< tokens looked back on, 0: all
  std::function<bool(int32_t)>
      is_breaker;  ///< a repeat does not reach over such a token; may be {}
};

/// For each id that followed an earlier occurrence of the last tokens: how many of those last
/// tokens occurred there, at most `limit`. The longest counts.
std::unordered_map<int32_t, int> repeats(const std::vector<int32_t>& tokens, size_t begin,
                                         int limit);

class Dry final : public SamplerStage {
 public:
  explicit Dry(DryOptions options) : options_(std::move(options)) {}
  void apply(Candidates& candidates) override;
  void accept(int32_t id) override { tokens_.push_back(id); }

 private:
  bool is_breaker(int32_t id) const { return options_.is_breaker && options_.is_breaker(id); }
  /// Tokens since the last breaker, counted no further than `most`.
  int since_breaker(int most) const;

  DryOptions options_;
  std::vector<int32_t> tokens_;
};

}  // namespace octavo
