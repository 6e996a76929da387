#include "io/session_file.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/json_fields.h"
#include "io/printable.h"
#include "io/session_layout.h"

namespace octavo {
namespace {

constexpr int64_t kMostAbout = int64_t{1} << 20;  // bytes
constexpr int64_t kMostLayers = 1 << 16, kMostEntryBytes = int64_t{1} << 28;

/// Checked before anything is read on the header's word.
SessionHeader parse_header(std::span<const std::byte> bytes) {
  SessionHeader header;
  if (bytes.size() < sizeof header ||
      std::memcmp(bytes.data(), kSessionMagic, sizeof kSessionMagic) != 0) {
    fail(ErrorCode::kFormat, "not a saved session");
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.header_checksum != session_header_checksum(header) ||
      header.header_bytes != sizeof header) {
    fail(ErrorCode::kFormat, "the header is damaged; delete it and begin a new session");
  }
  if (header.version != kSessionVersion) {
    fail(ErrorCode::kUnsupported, "version {} of the format; this build reads version {}",
         header.version, kSessionVersion);
  }
  if (header.file_bytes != bytes.size()) {
    fail(ErrorCode::kFormat, "{} bytes, should be {}: cut short or damaged; begin a new session",
         bytes.size(), header.file_bytes);
  }
  return header;
}

/// Each part lies within the file, one behind the other.
SessionLayout check_layout(const SessionHeader& header, int64_t file_bytes) {
  const auto fits = [file_bytes](uint64_t count, int64_t most) {
    return count <= static_cast<uint64_t>(std::min(file_bytes, most));
  };
  constexpr int64_t kMostNumbers = std::numeric_limits<int32_t>::max();
  if (!fits(header.about_bytes, kMostAbout) || !fits(header.tokens, kMostNumbers) ||
      !fits(header.logits, kMostNumbers)) {
    fail(ErrorCode::kFormat, "the header is damaged; delete it and begin a new session");
  }
  const SessionLayout layout(static_cast<int64_t>(header.about_bytes),
                             static_cast<int64_t>(header.tokens),
                             static_cast<int64_t>(header.logits));
  if (header.entries_offset != static_cast<uint64_t>(layout.entries) ||
      layout.entries > file_bytes - kSessionChecksumBytes) {
    fail(ErrorCode::kFormat, "the header is damaged; delete it and begin a new session");
  }
  return layout;
}

void check_bytes(std::span<const std::byte> bytes) {
  const size_t end = bytes.size() - static_cast<size_t>(kSessionChecksumBytes);
  SessionChecksum stored;
  std::memcpy(stored.data(), bytes.data() + end, sizeof stored);
  if (session_checksum(XXH3_128bits(bytes.data(), end)) != stored) {
    fail(ErrorCode::kFormat, "its checksum is wrong: it is damaged; begin a new session");
  }
}

int64_t bounded(const JsonFields& fields, const char* key, int64_t least, int64_t most) {
  const int64_t value = fields.integer(key);
  if (value >= least && value <= most) return value;
  fail(ErrorCode::kFormat, "{} is {}, must be from {} to {}", key, value, least, most);
}

void parse_about(std::string_view text, int64_t tokens, SessionContent& content) {
  const nlohmann::json json = parse_json(text, "its description");
  const JsonFields fields(json, "its description");
  content.identity = printable(fields.string("identity"));
  content.model = printable(fields.string("model"));
  content.cache_type = printable(fields.string("cache_type"));
  content.layers = bounded(fields, "layers", 1, kMostLayers);
  content.entry_bytes = bounded(fields, "entry_bytes", 1, kMostEntryBytes);
  content.window = bounded(fields, "window", 0, int64_t{1} << 40);
  content.rope_theta = fields.number("rope_theta");
  content.first = bounded(fields, "first", 0, tokens);
}

std::string about_text(const SessionContent& content) {
  const nlohmann::json json = {{"identity", content.identity},       {"model", content.model},
                               {"cache_type", content.cache_type},   {"layers", content.layers},
                               {"entry_bytes", content.entry_bytes}, {"window", content.window},
                               {"rope_theta", content.rope_theta},   {"first", content.first}};
  // The model's name may come from a file that was not UTF-8.
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

template <class Value>
std::vector<Value> read_values(std::span<const std::byte> bytes, int64_t offset, uint64_t count) {
  std::vector<Value> values(count);
  if (count > 0) std::memcpy(values.data(), bytes.data() + offset, count * sizeof(Value));
  return values;
}

template <class Value>
void write_values(const std::vector<Value>& values, char* out) {
  if (!values.empty()) std::memcpy(out, values.data(), values.size() * sizeof(Value));
}

}  // namespace

std::string session_head(const SessionContent& content) {
  const std::string about = about_text(content);
  const SessionLayout layout(static_cast<int64_t>(about.size()),
                             static_cast<int64_t>(content.tokens.size()),
                             static_cast<int64_t>(content.logits.size()));
  const int64_t entries = content.layers * content.positions() * content.entry_bytes;
  SessionHeader header = {};
  std::memcpy(header.magic, kSessionMagic, sizeof header.magic);
  header.version = kSessionVersion;
  header.header_bytes = sizeof header;
  header.about_bytes = about.size();
  header.tokens = content.tokens.size();
  header.logits = content.logits.size();
  header.entries_offset = static_cast<uint64_t>(layout.entries);
  header.file_bytes = static_cast<uint64_t>(layout.entries + entries + kSessionChecksumBytes);
  header.header_checksum = session_header_checksum(header);
  std::string head(static_cast<size_t>(layout.entries), '\0');
  std::memcpy(head.data(), &header, sizeof header);
  std::memcpy(head.data() + sizeof header, about.data(), about.size());
  write_values(content.tokens, head.data() + layout.tokens);
  write_values(content.logits, head.data() + layout.logits);
  return head;
}

ParsedSession parse_session(std::span<const std::byte> bytes, const std::string& name) {
  try {
    const SessionHeader header = parse_header(bytes);
    const auto size = static_cast<int64_t>(bytes.size());
    const SessionLayout layout = check_layout(header, size);
    check_bytes(bytes);
    SessionContent content;
    parse_about({reinterpret_cast<const char*>(bytes.data()) + sizeof header, header.about_bytes},
                static_cast<int64_t>(header.tokens), content);
    content.tokens = read_values<int32_t>(bytes, layout.tokens, header.tokens);
    content.logits = read_values<float>(bytes, layout.logits, header.logits);
    const int64_t entries = size - kSessionChecksumBytes - layout.entries;
    // The product of the three is too large for a file long before it overflows.
    const int64_t position_bytes = content.layers * content.entry_bytes;
    if (entries % position_bytes != 0 || entries / position_bytes != content.positions()) {
      fail(ErrorCode::kFormat, "{} bytes of keys and values are not those of {} tokens", entries,
           content.positions());
    }
    return {std::move(content), layout.entries};
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", name, error.what());
  }
}

SessionFile::SessionFile(const std::string& path)
    : file_(path), parsed_(parse_session(file_.bytes(), path)) {}

std::span<const std::byte> SessionFile::entries(int64_t layer, int64_t first, int64_t count) const {
  const int64_t offset =
      parsed_.entries_offset + (layer * content().positions() + first) * content().entry_bytes;
  return file_.bytes().subspan(static_cast<size_t>(offset),
                               static_cast<size_t>(count * content().entry_bytes));
}

}  // namespace octavo
