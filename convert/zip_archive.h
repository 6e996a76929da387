// Zip archives whose entries are stored as they are, as PyTorch writes them; ZIP64 included.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace octavo {

/// One entry of an archive. Its name is a key here, never a path.
struct ZipEntry {
  int64_t offset = 0;  ///< of its bytes in the file
  int64_t bytes = 0;
  uint32_t crc = 0;  ///< as the directory has it
};
using ZipEntries = std::map<std::string, ZipEntry, std::less<>>;

/// The entries of a whole archive, all inside the file, none overlapping another. Throws
/// Error(kFormat), and Error(kUnsupported) for compressed or encrypted entries.
ZipEntries parse_zip(std::span<const std::byte> file);

/// The checksum that zip archives carry.
uint32_t crc32(std::span<const std::byte> bytes);

/// An entry's bytes, once they fit its checksum. Throws Error(kFormat) naming the entry.
std::span<const std::byte> checked_entry(std::span<const std::byte> file, const std::string& name,
                                         const ZipEntry& entry);

}  // namespace octavo
