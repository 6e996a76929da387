// Zip archives for tests, good ones and spoiled ones.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace octavo::test {

struct ZipMember {
  std::string name = {};
  std::string bytes = {};
  // What the directory says of it, where that is not the truth.
  uint16_t method = 0, flags = 0;
  std::optional<uint32_t> crc = {};
  std::optional<uint64_t> size = {}, header = {};
};

struct ZipStyle {
  bool wide = false;      ///< every size and offset as ZIP64
  size_t alignment = 64;  ///< of the members' bytes, by padding in the local headers
  std::string comment = {};
};

uint32_t zip_crc(const std::string& bytes);
std::string make_zip(const std::vector<ZipMember>& members, const ZipStyle& style = {});

}  // namespace octavo::test
