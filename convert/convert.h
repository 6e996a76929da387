// The offline converter: a checkpoint in, an .8vo out.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "convert/recipe.h"
#include "convert/source_type.h"
#include "io/model_file.h"
#include "quant/format.h"

namespace octavo {

struct ConvertOptions {
  /// Folder of HF safetensors, or of Mistral's consolidated* (safetensors, .pt or .pth), or a GGUF
  /// file.
  std::string source;
  std::string output;  ///< path of the .8vo
  /// Of all matrices but the routers; none: q4_k, but a source that is quantized keeps its own
  /// types.
  std::optional<Format> format;
  std::string recipe;              ///< a ready recipe or a file, in place of `format`
  std::vector<TypeRule> type_for;  ///< single tensors, after `format` or `recipe`
  std::optional<int64_t> window;   ///< in place of the source's; 0: none
  std::string calibration;         ///< a .8cal file that weights the scale search; empty: none
  bool resume = false;             ///< go on with what an interrupted run left, if anything
  int threads = 0;                 ///< 0: as many as the processors
  /// Called now and then with (bytes of source read, bytes in all); returning false cancels.
  std::function<bool(int64_t, int64_t)> progress;
  /// Called with a line that people should see, before anything is written.
  std::function<void(const std::string&)> warn;
};

/// Tensors of a quantized source that were, or would be, stored in a format which has not exactly
/// their values.
struct Requantized {
  SourceType from = SourceType::kF32;
  Format to = Format::kF32;
  int64_t tensors = 0;
  int64_t measured = 0;  ///< of them: those that this run stored, an earlier one did the others
  /// Root of the mean squared error over that of the mean square, of those measured.
  double error = 0;
};

/// What would be, or was, written.
struct ConvertSummary {
  ModelDirectory directory;
  std::vector<std::string> source_types;  ///< of directory.tensors; none of a synthesized model
  int64_t source_bytes = 0;
  int64_t output_bytes = 0;
  std::vector<Requantized> requantized;
};

/// The plan alone: reads headers, writes nothing. Throws Error.
ConvertSummary plan_conversion(const ConvertOptions& options);
/// Converts. On any failure nothing is left under the output's name. When it was cancelled (an
/// Error(kInvalidArgument)) or a write failed, OUTPUT.part and OUTPUT.part.journal stay for
/// `resume`.
ConvertSummary convert(const ConvertOptions& options);

struct SynthOptions {
  ModelConfig config;  ///< all of it
  std::string output;
  Format format = Format::kQ4_0;
  std::string recipe;              ///< a ready recipe or a file, in place of `format`
  std::vector<TypeRule> type_for;  ///< single tensors, after `format` or `recipe`
  uint64_t seed = 0;
  int threads = 0;
  std::function<bool(int64_t, int64_t)> progress;
};

/// Writes a model with random weights, made straight in the target format (fast at tens of GB).
ConvertSummary synthesize(const SynthOptions& options);

/// Mixtral 8x7B's own shape.
ModelConfig mixtral_8x7b_config();

}  // namespace octavo
