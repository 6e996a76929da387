#include "convert/zip_archive.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "io/printable.h"

namespace octavo {
namespace {

using Bytes = std::span<const std::byte>;

constexpr uint32_t kLocalHeader = 0x04034B50, kCentralHeader = 0x02014B50;
constexpr uint32_t kEnd = 0x06054B50, kEnd64 = 0x06064B50, kEnd64Locator = 0x07064B50;
constexpr int64_t kLocalHeaderBytes = 30, kCentralHeaderBytes = 46;
constexpr int64_t kEndBytes = 22, kEnd64Bytes = 56, kEnd64LocatorBytes = 20;
constexpr int64_t kLongestComment = 65535;
constexpr int64_t kMostEntries = 100'000;
constexpr int64_t kLongestName = 512;
constexpr uint16_t kEncrypted = 1, kExtra64 = 1;

// A little-endian number; the caller knows that it is inside.
template <class T>
T load(Bytes bytes, int64_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

int64_t size_of(Bytes bytes) { return static_cast<int64_t>(bytes.size()); }

std::string_view text_at(Bytes bytes, int64_t at, int64_t count) {
  return {reinterpret_cast<const char*>(bytes.data()) + at, static_cast<size_t>(count)};
}

Bytes part(Bytes bytes, int64_t at, int64_t count) {
  return bytes.subspan(static_cast<size_t>(at), static_cast<size_t>(count));
}

// The last end record whose comment reaches exactly to the end of the file.
int64_t find_end(Bytes file) {
  const int64_t last = size_of(file) - kEndBytes;
  for (int64_t at = last; at >= 0 && at >= last - kLongestComment; --at) {
    if (load<uint32_t>(file, at) == kEnd && load<uint16_t>(file, at + 20) == last - at) return at;
  }
  fail(ErrorCode::kFormat, "no zip archive, or one that is cut short; is the download complete?");
}

// Where the central directory is and how many entries it has, none of it checked yet.
struct DirectoryPlace {
  uint64_t count = 0, bytes = 0, offset = 0;
  int64_t limit = 0;  // it must end here at the latest
};

// A narrow field of the end record repeats the wide one or says that it cannot.
template <class T>
void check_narrow(Bytes file, int64_t at, uint64_t wide) {
  const T narrow = load<T>(file, at);
  if (narrow == std::numeric_limits<T>::max() || narrow == wide) return;
  fail(ErrorCode::kFormat, "the zip archive's two end records differ");
}

DirectoryPlace find_directory64(Bytes file, int64_t end) {
  const int64_t locator = end - kEnd64LocatorBytes;
  const auto at = load<uint64_t>(file, locator + 8);
  if (locator < kEnd64Bytes || at > static_cast<uint64_t>(locator - kEnd64Bytes) ||
      load<uint32_t>(file, static_cast<int64_t>(at)) != kEnd64) {
    fail(ErrorCode::kFormat, "the zip archive has no ZIP64 end record where it says");
  }
  const auto record = static_cast<int64_t>(at);
  const DirectoryPlace place = {load<uint64_t>(file, record + 32),
                                load<uint64_t>(file, record + 40),
                                load<uint64_t>(file, record + 48), record};
  check_narrow<uint16_t>(file, end + 10, place.count);
  check_narrow<uint32_t>(file, end + 12, place.bytes);
  check_narrow<uint32_t>(file, end + 16, place.offset);
  if (load<uint32_t>(file, record + 16) != 0 || load<uint32_t>(file, record + 20) != 0 ||
      load<uint64_t>(file, record + 24) != place.count) {
    fail(ErrorCode::kUnsupported, "zip archives of several parts are not supported");
  }
  return place;
}

DirectoryPlace find_directory(Bytes file) {
  const int64_t end = find_end(file);
  if (end >= kEnd64LocatorBytes &&
      load<uint32_t>(file, end - kEnd64LocatorBytes) == kEnd64Locator) {
    return find_directory64(file, end);
  }
  if (load<uint32_t>(file, end + 4) != 0 ||
      load<uint16_t>(file, end + 8) != load<uint16_t>(file, end + 10)) {
    fail(ErrorCode::kUnsupported, "zip archives of several parts are not supported");
  }
  return {load<uint16_t>(file, end + 10), load<uint32_t>(file, end + 12),
          load<uint32_t>(file, end + 16), end};
}

// The central directory's own bytes.
Bytes directory_of(Bytes file, const DirectoryPlace& place) {
  const auto limit = static_cast<uint64_t>(place.limit);
  if (place.offset > limit || place.bytes > limit - place.offset ||
      place.count > place.bytes / kCentralHeaderBytes) {
    fail(ErrorCode::kFormat,
         "the zip directory of {} entries in {} bytes from byte {} does not fit the file of {}",
         place.count, place.bytes, place.offset, file.size());
  }
  if (place.count > kMostEntries) {
    fail(ErrorCode::kFormat, "a zip archive of {} entries; {} at most are read", place.count,
         kMostEntries);
  }
  return file.subspan(place.offset, place.bytes);
}

// An entry as its central header describes it.
struct Listed {
  std::string_view name;
  uint64_t stored_bytes = 0, bytes = 0, header = 0;
  uint32_t crc = 0;
  uint16_t flags = 0, method = 0;
};

// Fields that do not fit 32 bits stand in an extra field of their own, in this order.
void widen(Listed& entry, Bytes extra) {
  constexpr uint64_t kWide = std::numeric_limits<uint32_t>::max();
  std::vector<uint64_t*> wide;
  for (uint64_t* field : {&entry.bytes, &entry.stored_bytes, &entry.header}) {
    if (*field == kWide) wide.push_back(field);
  }
  if (wide.empty()) return;
  for (int64_t at = 0; at + 4 <= size_of(extra);) {
    const int64_t size = load<uint16_t>(extra, at + 2), next = at + 4 + size;
    if (next > size_of(extra)) break;
    if (load<uint16_t>(extra, at) == kExtra64 && size >= static_cast<int64_t>(8 * wide.size())) {
      for (size_t i = 0; i < wide.size(); ++i) {
        *wide[i] = load<uint64_t>(extra, at + 4 + static_cast<int64_t>(8 * i));
      }
      return;
    }
    at = next;
  }
  fail(ErrorCode::kFormat, "zip entry {} lacks its ZIP64 sizes", printable(entry.name));
}

// Reads the central header at `at` of the directory and moves `at` behind it.
Listed next_listed(Bytes directory, int64_t& at) {
  const auto damaged = [](int64_t where) {
    fail(ErrorCode::kFormat, "the zip directory is damaged at its byte {}", where);
  };
  if (size_of(directory) - at < kCentralHeaderBytes ||
      load<uint32_t>(directory, at) != kCentralHeader) {
    damaged(at);
  }
  const int64_t name_bytes = load<uint16_t>(directory, at + 28);
  const int64_t extra_bytes = load<uint16_t>(directory, at + 30);
  const int64_t comment_bytes = load<uint16_t>(directory, at + 32);
  const int64_t name = at + kCentralHeaderBytes, extra = name + name_bytes;
  const int64_t next = extra + extra_bytes + comment_bytes;
  if (next > size_of(directory) || name_bytes > kLongestName) damaged(at);
  Listed entry = {.name = text_at(directory, name, name_bytes),
                  .stored_bytes = load<uint32_t>(directory, at + 20),
                  .bytes = load<uint32_t>(directory, at + 24),
                  .header = load<uint32_t>(directory, at + 42),
                  .crc = load<uint32_t>(directory, at + 16),
                  .flags = load<uint16_t>(directory, at + 8),
                  .method = load<uint16_t>(directory, at + 10)};
  widen(entry, part(directory, extra, extra_bytes));
  at = next;
  return entry;
}

// Finds the entry's bytes behind its local header; `limit` is where the central directory starts.
ZipEntry locate(Bytes file, const Listed& listed, int64_t limit) {
  const auto damaged = [&](const char* what) {
    fail(ErrorCode::kFormat, "zip entry {} {}: the file is cut short or damaged",
         printable(listed.name), what);
  };
  if (listed.method != 0 || (listed.flags & kEncrypted) != 0) {
    fail(ErrorCode::kUnsupported, "zip entry {} is {}; only archives as torch.save writes are read",
         printable(listed.name), listed.method != 0 ? "compressed" : "encrypted");
  }
  if (listed.bytes != listed.stored_bytes) damaged("has two sizes");
  if (listed.header > static_cast<uint64_t>(limit) ||
      limit - static_cast<int64_t>(listed.header) < kLocalHeaderBytes) {
    damaged("starts outside the data");
  }
  const auto header = static_cast<int64_t>(listed.header);
  const int64_t name_bytes = load<uint16_t>(file, header + 26);
  const int64_t offset =
      header + kLocalHeaderBytes + name_bytes + load<uint16_t>(file, header + 28);
  // The local header's own sizes may be left to a record behind the data: the directory's count.
  if (load<uint32_t>(file, header) != kLocalHeader || load<uint16_t>(file, header + 8) != 0 ||
      offset > limit || text_at(file, header + kLocalHeaderBytes, name_bytes) != listed.name) {
    damaged("has another header than the directory says");
  }
  if (listed.bytes > static_cast<uint64_t>(limit - offset)) damaged("reaches past the data");
  return {offset, static_cast<int64_t>(listed.bytes), listed.crc};
}

struct Extent {
  int64_t begin, end;
  std::string_view name;
};

void check_overlap(std::vector<Extent>& extents) {
  std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  for (size_t i = 1; i < extents.size(); ++i) {
    if (extents[i].begin >= extents[i - 1].end) continue;
    fail(ErrorCode::kFormat, "zip entries {} and {} overlap", printable(extents[i - 1].name),
         printable(extents[i].name));
  }
}

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320u : 0u);
    table[i] = value;
  }
  return table;
}

}  // namespace

ZipEntries parse_zip(Bytes file) {
  const DirectoryPlace place = find_directory(file);
  const Bytes directory = directory_of(file, place);
  const auto limit = static_cast<int64_t>(place.offset);
  ZipEntries entries;
  std::vector<Extent> extents;
  int64_t at = 0;
  for (uint64_t i = 0; i < place.count; ++i) {
    const Listed listed = next_listed(directory, at);
    const ZipEntry entry = locate(file, listed, limit);
    if (!entries.try_emplace(std::string(listed.name), entry).second) {
      fail(ErrorCode::kFormat, "zip entry {} is listed twice", printable(listed.name));
    }
    extents.push_back(
        {static_cast<int64_t>(listed.header), entry.offset + entry.bytes, listed.name});
  }
  check_overlap(extents);
  return entries;
}

uint32_t crc32(Bytes bytes) {
  static constexpr std::array<uint32_t, 256> kTable = make_crc_table();
  uint32_t crc = ~uint32_t{0};
  for (const std::byte byte : bytes) {
    crc = (crc >> 8) ^ kTable[(crc ^ static_cast<uint32_t>(byte)) & 0xFF];
  }
  return ~crc;
}

Bytes checked_entry(Bytes file, const std::string& name, const ZipEntry& entry) {
  const Bytes bytes = part(file, entry.offset, entry.bytes);
  if (crc32(bytes) == entry.crc) return bytes;
  fail(ErrorCode::kFormat, "zip entry {} does not fit its checksum: the file is damaged",
       printable(name));
}

}  // namespace octavo
