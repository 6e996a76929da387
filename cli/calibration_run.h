// A text through a model, with an eye on the inputs of every matrix.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/calibrating_backend.h"
#include "convert/calibration.h"
#include "model/transformer.h"
#include "octavo/octavo.hpp"
#include "scored_text.h"

namespace octavo::cli {

/// An expert that saw fewer tokens than asked for.
struct StarvingExpert {
  int64_t layer, expert, tokens;
};

class CalibrationRun {
 public:
  /// Called with (tokens done, tokens in all); returning false stops.
  using Progress = std::function<bool(int64_t, int64_t)>;

  /// `least`: tokens that every expert must see.
  CalibrationRun(const Model& model, std::vector<ScoredText> texts, int64_t least, int threads);

  /// The whole text, once. Returns whether it came to the end.
  bool observe(const Progress& progress);
  /// Experts below the floor, layer by layer.
  std::vector<StarvingExpert> starving() const;
  /// Reads those parts of the text again whose tokens came nearest to the starving experts, and
  /// gives them these tokens. Throws Error(kInvalidArgument) when the text has too few.
  bool force(const Progress& progress);

  int64_t tokens() const { return tokens_; }
  /// Tokens that each expert saw by the model's own choice, [layers][experts].
  std::vector<std::vector<int64_t>> expert_tokens() const;
  Calibration result() const;

 private:
  const Expert& expert(int64_t layer, int64_t index) const;
  /// Sums of a matrix that no token came to are empty.
  ColumnSums sums_of(const Weight& weight) const;
  /// Every chunk whose tokens, counted through all texts, are `wanted`.
  bool run(Logits logits, const std::function<bool(int64_t first, int64_t last)>& wanted,
           const Progress& progress);

  const Model model_;
  const std::vector<ScoredText> texts_;
  const int64_t least_;
  int64_t tokens_ = 0;
  CalibrationRecord record_;
  CalibratingDevice device_;
  std::unique_ptr<Transformer> transformer_;
};

}  // namespace octavo::cli
