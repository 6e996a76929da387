// A text as llama.cpp's llama-perplexity cuts and scores it: chunks of --ctx tokens, the first of
// each replaced by BOS, of which only tokens with at least half a chunk before them count. Or, to
// see what a context is worth, all tokens.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "octavo/octavo.hpp"
#include "options.h"

namespace octavo::cli {

/// Mean of the negative log-likelihoods added so far.
class Score {
 public:
  void add(double loss) {
    sum_ += loss;
    sum_of_squares_ += loss * loss;
    ++count_;
  }
  int64_t count() const { return count_; }
  double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  /// Standard error of the mean.
  double mean_error() const;
  double perplexity() const;
  /// The mean's standard error, carried through exp().
  double error() const { return mean_error() * perplexity(); }

 private:
  double sum_ = 0, sum_of_squares_ = 0;
  int64_t count_ = 0;
};

/// Log of the sum of exp(logits).
double log_sum_exp(std::span<const float> logits);

/// Which tokens of a chunk count.
enum class Scored { kSecondHalf, kAll };

class ScoredText {
 public:
  /// Ids of the text in `file` by the model's tokenizer. Throws Error(kInvalidArgument) for fewer
  /// than one chunk; `most` chunks count (0: all).
  ScoredText(const Model& model, const std::string& file, int64_t context, int64_t most,
             Scored scored = Scored::kSecondHalf);

  int64_t chunks() const { return static_cast<int64_t>(ids_.size()) / context_; }
  int64_t context() const { return context_; }
  /// The first token of a chunk whose prediction of the next one counts.
  int64_t first_scored() const { return scored_ == Scored::kAll ? 0 : context_ / 2; }
  const std::vector<int32_t>& ids() const { return ids_; }
  std::span<const int32_t> chunk(int64_t index) const;

 private:
  int64_t context_;
  Scored scored_;
  std::vector<int32_t> ids_;  ///< whole chunks, BOS in place
};

/// A session for chunks of `text`; its chunk, the tokens that it computes at once, is one for
/// score_part too.
SessionOptions options_for(const ScoredText& text, const ModelArguments& arguments);

/// Feeds tokens [first, last) of a chunk to a session that holds those before; for each scored
/// token that predicts one in the chunk: sink(index in the chunk of the token that is predicted,
/// logits).
void score_part(Session& session, const ScoredText& text, int64_t chunk, int64_t first,
                int64_t last, const std::function<void(int64_t, std::span<const float>)>& sink);

}  // namespace octavo::cli
