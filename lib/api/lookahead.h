// Speculative decoding: tokens that a lookup drafts are computed together with the newest one, and
// used as long as they are what is chosen anyway. A token is chosen from the same logits, bit by
// bit, by the same sampler as without a draft, so the text is the same. Where the sampler gives the
// drafted token the probability p, it is accepted with probability p: that of the acceptance rule
// of Leviathan et al. (arXiv 2211.17192) and Chen et al. (arXiv 2302.01318) for a certain draft.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "api/speculation_policy.h"
#include "octavo/octavo.hpp"
#include "text/prompt_lookup.h"

namespace octavo {

/// What a session has computed ahead of its tokens, and why.
class Lookahead {
 public:
  /// Passes have up to `most_rows` rows; 1: nothing is ever drafted.
  Lookahead(const ModelInfo& info, int64_t most_rows);

  /// A text is generated behind `tokens` from now on.
  void begin(Speculation speculation, std::span<const int32_t> tokens);
  /// The next token was chosen. True: it was drafted, and logits() are those behind it.
  bool accept(int32_t id);
  /// For a token that was not accepted: itself and what is to be computed along, up to `most` ids.
  std::span<const int32_t> plan(int32_t id, int64_t most);
  /// A plan of so many rows was carried out.
  void note_pass(int64_t rows, double seconds, int64_t experts) {
    policy_.note_pass(rows, seconds, experts);
  }
  /// What was computed ahead is gone.
  void forget() { planned_.clear(); }

  /// Of all rows of the plan, one after the other [vocab], for the caller to write.
  std::span<float> logits_of(int64_t row);
  /// Behind the newest token, if that was in a plan of more than one row.
  std::span<const float> logits() { return logits_of(used_ - 1); }
  /// Since begin().
  int64_t drafted() const { return drafted_; }
  int64_t accepted() const { return accepted_; }

 private:
  bool is_off() const { return speculation_ == Speculation::kOff || most_rows_ < 2; }
  int64_t draft_length(int64_t most);

  const int64_t vocab_, most_rows_;
  const int32_t eos_;
  Speculation speculation_ = Speculation::kOff;
  PromptLookup lookup_;
  SpeculationPolicy policy_;
  TokenMatch match_;              ///< of the tokens up to the plan's first
  std::vector<int32_t> draft_;    ///< what follows it: one token at least if there is a match
  std::vector<int32_t> planned_;  ///< the last pass
  int64_t used_ = 0;              ///< tokens since then that it began with
  std::vector<float> logits_;     ///< [most_rows, vocab], or empty
  int64_t drafted_ = 0, accepted_ = 0;
};

}  // namespace octavo
