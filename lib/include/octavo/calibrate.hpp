// How large the inputs of each matrix are over a text, for ConvertOptions::calibration.
//
//   auto model = octavo::Model::open("mixtral-q8_0.8vo");
//   octavo::Calibrator calibrator(model);
//   calibrator.add(model.tokenize(text));
//   calibrator.observe();
//   if (!calibrator.starving().empty()) calibrator.force();
//   calibrator.save("mixtral.8cal");
//
// docs/converter.md says what such a file holds and what it is good for.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "octavo/octavo.hpp"
#include "octavo/progress.hpp"

namespace octavo {

struct CalibrationOptions {
  int64_t context = 512;    ///< tokens that are read together
  int64_t min_tokens = 64;  ///< that every expert should see
  int threads = 0;          ///< 0: as many as the processors
};

/// An expert that saw fewer tokens than CalibrationOptions::min_tokens.
struct StarvingExpert {
  int64_t layer = 0, expert = 0, tokens = 0;
};

/// For one thread at a time. After a call that was cancelled it is of no more use.
class OCTAVO_API Calibrator {
 public:
  /// Throws Error(kInvalidArgument) for options outside their range.
  explicit Calibrator(const Model& model, const CalibrationOptions& options = {});
  ~Calibrator();
  Calibrator(Calibrator&&) noexcept;
  Calibrator& operator=(Calibrator&&) noexcept;

  /// Adds ids to the text: read in pieces of CalibrationOptions::context, each as if nothing stood
  /// before it, the last one as long as it is. Throws Error(kInvalidArgument) for ids that the
  /// model has not, and after observe().
  void add(std::span<const int32_t> ids);
  int64_t tokens() const;  ///< of the text

  /// Reads the text, once; progress is in tokens. Throws Error(kInvalidArgument) when it has fewer
  /// than min_tokens, or was read before, and Error(kCancelled).
  void observe(const Progress& progress = {});
  /// Tokens that each expert saw by the model's own choice, [layers][experts]; of a dense model its
  /// one FFN counts as an expert.
  std::vector<std::vector<int64_t>> expert_tokens() const;
  /// Experts below the floor, layer by layer.
  std::vector<StarvingExpert> starving() const;
  /// Reads those pieces again whose tokens came nearest to the starving experts, and gives them
  /// these tokens, up to min_tokens. Throws Error(kInvalidArgument) before observe() or when that
  /// was cancelled, and Error(kCancelled).
  void force(const Progress& progress = {});

  /// Writes what was seen. The file appears under its name when it is whole. Throws Error(kIo),
  /// Error(kInvalidArgument) before observe() or when it or force() was cancelled, and
  /// Error(kFormat) for a model whose inputs are not finite.
  void save(const std::string& path) const;

 private:
  struct OCTAVO_HIDDEN Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace octavo
