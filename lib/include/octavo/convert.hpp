// A checkpoint in, an .8vo out, and an .8vo back out as GGUF.
//
//   octavo::ConvertOptions options;
//   options.source = "Mixtral-8x7B-Instruct-v0.1";
//   options.output = "mixtral.8vo";
//   options.recipe = "balanced";
//   options.progress = [](int64_t done, int64_t total) { return draw(done, total); };
//   octavo::convert(options);
//
// Every failure is an octavo::Error; what it leaves on the disk stands at each function. Nothing is
// printed. docs/converter.md tells more of sources, types and recipes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/error.hpp"
#include "octavo/export.h"
#include "octavo/inspect.hpp"
#include "octavo/progress.hpp"

namespace octavo {

/// The types in which weights are stored: "f32", ..., "q4_k".
OCTAVO_API std::vector<std::string> weight_types();
/// The recipes that are built in; others are JSON files.
OCTAVO_API std::vector<std::string> ready_recipes();

/// Tensors whose name matches the pattern get the type, as in {"layers.[0-3].wq", "q8_0"}.
struct TypeRule {
  std::string pattern;
  std::string type;
};

/// Reads "PATTERN=TYPE". Throws Error(kInvalidArgument) for text that is not of that form, a
/// pattern that is not well formed and a type that there is not.
OCTAVO_API TypeRule parse_type_rule(std::string_view text);

struct ConvertOptions {
  /// Folder of HF safetensors, or of Mistral's consolidated* (safetensors, .pt or .pth), or a GGUF
  /// file, of several the first.
  std::string source;
  std::string output;  ///< path of the .8vo
  /// Of all matrices but the routers, one of weight_types(). Empty, and without a recipe: q4_k, but
  /// a source that is quantized keeps its own types.
  std::string type;
  std::string recipe;              ///< a ready recipe or a JSON file, in place of `type`
  std::vector<TypeRule> type_for;  ///< after `type` or `recipe`; the last that matches counts
  /// Sliding window in keys, in place of the source's; 0: none. Without it a mixture gets none.
  std::optional<int64_t> window;
  std::string calibration;  ///< an .8cal file that weights the scale search; empty: none
  bool resume = false;      ///< go on with what an interrupted run left, if anything
  int threads = 0;          ///< 0: as many as the processors
  Progress progress;        ///< in bytes of the source
  /// Gets a line that people should see, before anything is written.
  std::function<void(const std::string&)> warn;
};

/// Tensors of a quantized source that were, or would be, stored as a type which has not exactly
/// their values.
struct Requantized {
  std::string from;  ///< as the source names it: "Q3_K"
  std::string to;    ///< "q8_0"
  int64_t tensors = 0;
  int64_t measured = 0;  ///< of them: those that this run stored, an earlier one did the others
  /// Root of the mean squared error over that of the mean square, of those measured.
  double error = 0;
};

/// What would be, or was, written.
struct ConvertSummary {
  ModelContents contents;
  int64_t source_bytes = 0;  ///< of tensors to be read
  /// Of a plan: what the model file may take on its disk; -1: no output was named.
  int64_t free_bytes = -1;
  std::vector<Requantized> requantized;
};

/// What convert would do: reads headers, writes nothing. Throws what convert does, but for a full
/// disk; `output` may be empty.
OCTAVO_API ConvertSummary plan_conversion(const ConvertOptions& options);

/// Converts. The file appears under its name when it is whole and synced; the bytes depend on
/// neither threads nor interruptions. Throws
///  - Error(kIo) for what cannot be read or written, at once when the disk has no room,
///  - Error(kFormat) and Error(kUnsupported) for a source that is damaged or of another kind, with
///    its file and tensor; kUnsupported also for a type that there is not,
///  - Error(kInvalidArgument) for options that do not fit the source,
///  - Error(kCancelled) when progress ended it.
/// After the last, and after a failed write, OUTPUT.part and OUTPUT.part.journal stay for `resume`
/// if a tensor is whole; otherwise nothing stays.
OCTAVO_API ConvertSummary convert(const ConvertOptions& options);

struct ExportOptions {
  std::string model;   ///< path of the .8vo
  std::string output;  ///< path of the .gguf
  int threads = 0;     ///< 0: as many as the processors
  Progress progress;   ///< in bytes of the model
};

struct ExportSummary {
  int64_t output_bytes = 0;
  int64_t tensors = 0;             ///< of the GGUF file, which has a layer's experts in one
  std::vector<TypeTotals> types;   ///< of them, by name
  std::vector<std::string> notes;  ///< what GGUF cannot say as the model file does, for people
};

/// Writes GGUF version 3 of architecture "llama". Values are those of the model file bit by bit.
/// Throws Error(kIo), Error(kFormat) for a damaged model, Error(kInvalidArgument) for an output
/// that is the model itself, and Error(kCancelled); then nothing is left under the output's name.
OCTAVO_API ExportSummary export_gguf(const ExportOptions& options);

}  // namespace octavo
