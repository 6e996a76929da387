// What a model file holds, for people.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "io/model_file.h"

namespace octavo::cli {

struct FormatTotals {
  int64_t tensors = 0, weights = 0, bytes = 0;
};

struct ModelTotals {
  std::map<std::string, FormatTotals> formats;
  int64_t weights = 0, bytes = 0;
  /// What one token is multiplied with: its top-k experts, no embedding.
  int64_t active_weights = 0, active_bytes = 0;

  double bits_per_weight() const {
    return weights > 0 ? 8.0 * static_cast<double>(bytes) / static_cast<double>(weights) : 0;
  }
};

ModelTotals total(const ModelDirectory& directory);

/// A few lines: the config, what is stored in which format, bits a weight, notes.
std::string summary_text(const ModelDirectory& directory, int64_t file_bytes);

}  // namespace octavo::cli
