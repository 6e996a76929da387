// What a model file holds, and whether it is whole, without opening it to compute with.
//
//   const octavo::ModelContents contents = octavo::inspect("mixtral.8vo");
//   std::cout << contents.type << ", " << contents.bits_per_weight() << " bits a weight\n";
//
// Every failure is an octavo::Error. Nothing is printed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "octavo/error.hpp"
#include "octavo/export.h"
#include "octavo/model_config.hpp"
#include "octavo/progress.hpp"

namespace octavo {

/// One tensor, [rows, cols], out x in; a vector has one row.
struct TensorInfo {
  std::string name;  ///< "layers.3.experts.5.w1"; docs/format.md lists all
  std::string type;  ///< as it is stored: "q4_k"
  std::string
      source_type;  ///< as its checkpoint had it: "BF16"; empty unless it was just converted
  int64_t rows = 0, cols = 0;
  int64_t offset = 0, bytes = 0;  ///< of what the file holds, padding of the tensor included
  uint64_t checksum = 0;          ///< XXH3-64 of the bytes; 0 in a plan
};

/// All tensors that are stored as one type.
struct TypeTotals {
  std::string type;
  int64_t tensors = 0, weights = 0, bytes = 0;
};

/// Everything in a model file but the weights themselves.
struct ModelContents {
  int64_t version = 0;  ///< of the format
  int64_t file_bytes = 0;
  ModelConfig config;
  std::string type;                 ///< a type, a recipe, or "source"; single tensors may differ
  std::string source;               ///< what it was converted from, for people
  std::vector<std::string> notes;   ///< what was stored otherwise than asked for, for people
  int64_t tokenizer_bytes = 0;      ///< 0: there is none, it takes ids and no text
  std::string chat_template;        ///< Jinja; empty: none
  std::vector<TensorInfo> tensors;  ///< in the order of the file
  std::vector<TypeTotals> types;    ///< by name

  int64_t weights = 0, weight_bytes = 0;  ///< of all tensors
  /// What one token is multiplied with: its top-k experts, no embedding.
  int64_t active_weights = 0, active_bytes = 0;

  double bits_per_weight() const {
    return weights > 0 ? 8.0 * static_cast<double>(weight_bytes) / static_cast<double>(weights) : 0;
  }
};

/// A config as a model file holds it: a JSON object in one line.
OCTAVO_API std::string config_json(const ModelConfig& config);

/// Reads header and directory and checks them: every extent, and every shape against the config.
/// No weights are read. Throws Error(kIo), Error(kFormat) for a file that is something else,
/// damaged or cut short, and Error(kUnsupported) for a newer version of the format.
OCTAVO_API ModelContents inspect(const std::string& path);

struct VerifyOptions {
  int threads = 0;         ///< 0: as many as the processors
  Progress progress = {};  ///< in bytes
};

/// Reads the whole file; the names of the tensors whose checksum is wrong, none: it is whole.
/// Throws what inspect does, Error(kInvalidArgument) for a wrong number of threads, and
/// Error(kCancelled) when progress ended it.
OCTAVO_API std::vector<std::string> verify(const std::string& path,
                                           const VerifyOptions& options = {});

}  // namespace octavo
