// What a model file holds, for people.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

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

/// A stretch of the file: a layer, or what lies before and after the layers.
struct FileExtent {
  std::string name;
  int64_t offset = 0, bytes = 0;
};
std::vector<FileExtent> file_map(const ModelDirectory& directory);
/// Tables: bytes and bits of each format, and the map.
std::string formats_text(const ModelDirectory& directory);
std::string file_map_text(const ModelDirectory& directory);

/// The config, the sizes, a table of what is stored in which format, notes. `source_types`: of each
/// tensor, or none.
std::string summary_text(const ModelDirectory& directory, int64_t file_bytes,
                         const std::vector<std::string>& source_types = {});

}  // namespace octavo::cli
