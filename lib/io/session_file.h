// A saved session: tokens, logits, keys and values. docs/sessions.md has the format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/mapped_file.h"
#include "io/model_file.h"

namespace octavo {

inline constexpr char kSessionMagic[8] = {'O', 'C', 'T', 'S', 'E', 'S', '\r', '\n'};
inline constexpr uint32_t kSessionVersion = 1;

/// The first 64 bytes, little-endian, without padding.
struct SessionHeader {
  char magic[8];
  uint32_t version;
  uint32_t header_bytes;    ///< 64
  uint64_t about_bytes;     ///< the JSON text behind the header
  uint64_t tokens;          ///< int32 each
  uint64_t logits;          ///< float32 each
  uint64_t entries_offset;  ///< keys and values
  uint64_t file_bytes;
  uint64_t header_checksum;  ///< XXH3-64 of the 56 bytes before
};
static_assert(sizeof(SessionHeader) == 64);

/// XXH3-128 of everything before, at the end of the file: low half first.
inline constexpr int64_t kSessionChecksumBytes = 16;

/// Everything in a session file but keys and values.
struct SessionContent {
  std::string identity;    ///< of the model, see model_identity()
  std::string model;       ///< the same for people
  std::string cache_type;  ///< "f16"
  int64_t layers = 0;
  int64_t entry_bytes = 0;  ///< of one position in one layer
  int64_t window = 0;       ///< 0: none
  double rope_theta = 0;
  int64_t first = 0;  ///< keys and values are there from this position on, to the last token
  std::vector<int32_t> tokens;
  std::vector<float> logits;  ///< [vocab] after the last token; empty: not known

  int64_t positions() const { return static_cast<int64_t>(tokens.size()) - first; }
};

/// 32 hexadecimal digits that are the same only for the same weights in the same formats: XXH3-128
/// over the config and every tensor's name, format and checksum.
std::string model_identity(const ModelDirectory& directory);
/// "mixtral in q4_k, 32 layers of 4096, 8 experts"
std::string model_summary_line(const ModelDirectory& directory);

/// Writes a session beside `path` and puts it in place when it is whole.
class SessionWriter {
 public:
  /// Throws Error(kIo) when the file cannot be made or the disk has no room.
  SessionWriter(const std::string& path, const SessionContent& content);
  ~SessionWriter();
  SessionWriter(const SessionWriter&) = delete;
  SessionWriter& operator=(const SessionWriter&) = delete;

  /// The next keys and values: layer by layer, positions in order. Throws Error(kIo).
  void append(std::span<const std::byte> entries);
  /// Throws Error(kIo).
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct ParsedSession {
  SessionContent content;
  int64_t entries_offset = 0;  ///< where keys and values begin
};
/// A whole file, parsed and checked: the fuzzed entry. `name` stands in messages. Throws Error.
ParsedSession parse_session(std::span<const std::byte> bytes, const std::string& name);

/// A mapped session file, all of it checked.
class SessionFile {
 public:
  /// Throws Error(kIo | kFormat | kUnsupported); any byte that is not as it was written is kFormat.
  explicit SessionFile(const std::string& path);

  const SessionContent& content() const { return parsed_.content; }
  /// Keys and values of positions [first, first + count), counted from content().first: [count,
  /// entry_bytes].
  std::span<const std::byte> entries(int64_t layer, int64_t first, int64_t count) const;

 private:
  MappedFile file_;
  ParsedSession parsed_;
};

}  // namespace octavo
