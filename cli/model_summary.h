// What a model file holds, for people.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "octavo/inspect.hpp"

namespace octavo::cli {

/// A stretch of the file: a layer, or what lies before and after the layers.
struct FileExtent {
  std::string name;
  int64_t offset = 0, bytes = 0;
};
std::vector<FileExtent> file_map(const ModelContents& contents);
/// Tables: bytes and bits of each format, and the map.
std::string formats_text(const ModelContents& contents);
std::string file_map_text(const ModelContents& contents);

/// The config, the sizes, a table of what is stored in which format, notes.
std::string summary_text(const ModelContents& contents);

}  // namespace octavo::cli
