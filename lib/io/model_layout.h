// Header and directory of an .8vo as bytes, shared by the reader and the writer.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "io/model_file.h"

namespace octavo {

/// The first 64 bytes, little-endian, without padding.
struct ModelHeader {
  char magic[8];
  uint32_t version;
  uint32_t header_bytes;      ///< 64
  uint64_t directory_offset;  ///< 64
  uint64_t directory_bytes;
  uint64_t directory_checksum;  ///< XXH3-64 of the directory
  uint64_t file_bytes;
  uint64_t reserved;         ///< 0
  uint64_t header_checksum;  ///< XXH3-64 of the 56 bytes before
};
static_assert(sizeof(ModelHeader) == 64);

/// A header that is right for this directory and file size.
ModelHeader make_header(const std::string& directory, int64_t file_bytes);

/// The directory as JSON. Its length depends on the offsets' digits, not on the checksums.
/// Throws Error(kFormat) for text that is no UTF-8.
std::string write_directory(const ModelDirectory& directory);

inline constexpr int64_t page_up(int64_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

/// Fills offset and bytes of every tensor; returns the size of the file.
int64_t lay_out(ModelDirectory& directory);

/// Bytes of one tensor in its format and order.
int64_t tensor_bytes(const TensorEntry& entry);

}  // namespace octavo
