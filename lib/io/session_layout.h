// A session file's parts as bytes, shared by the reader and the writer.
#pragma once

#include <xxhash.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "io/session_file.h"

namespace octavo {

/// Tokens, logits, keys and values each begin at a multiple of this, zeros before them.
inline constexpr int64_t kSessionAlignment = 64;
inline constexpr int64_t session_aligned(int64_t bytes) {
  return (bytes + kSessionAlignment - 1) / kSessionAlignment * kSessionAlignment;
}

/// Where the parts begin.
struct SessionLayout {
  int64_t tokens, logits, entries;

  SessionLayout(int64_t about_bytes, int64_t token_count, int64_t logit_count)
      : tokens(session_aligned(int64_t{sizeof(SessionHeader)} + about_bytes)),
        logits(session_aligned(tokens + 4 * token_count)),
        entries(session_aligned(logits + 4 * logit_count)) {}
};

/// The 56 bytes in front of it.
inline uint64_t session_header_checksum(const SessionHeader& header) {
  return XXH3_64bits(&header, offsetof(SessionHeader, header_checksum));
}

/// Everything in front of keys and values.
std::string session_head(const SessionContent& content);

/// As the file has it at its end.
using SessionChecksum = std::array<uint64_t, 2>;
static_assert(sizeof(SessionChecksum) == kSessionChecksumBytes);
inline SessionChecksum session_checksum(XXH128_hash_t hash) { return {hash.low64, hash.high64}; }

}  // namespace octavo
