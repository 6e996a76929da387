// The way out: a model file as GGUF, for other programs to run the very same weights.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "convert/gguf_writer.h"

namespace octavo {

struct ExportOptions {
  std::string model;   ///< path of the .8vo
  std::string output;  ///< path of the .gguf
  int threads = 0;     ///< 0: as many as the processors
  /// Called now and then with (bytes of the model read, bytes in all); returning false cancels.
  std::function<bool(int64_t, int64_t)> progress;
};

/// What was written.
struct ExportSummary {
  std::vector<GgufEntry> tensors;
  int64_t output_bytes = 0;
  std::vector<std::string> notes;  ///< what GGUF cannot say as the model file does, for people
};

/// Writes GGUF version 3 of architecture "llama", the experts of a layer merged. Values are those
/// of the model file bit by bit. On any failure (or cancel: Error(kInvalidArgument)) nothing is
/// left under the output's name.
ExportSummary export_gguf(const ExportOptions& options);

}  // namespace octavo
