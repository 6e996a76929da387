// Sets of Unicode code points, and their characters' bytes in UTF-8.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

inline constexpr uint32_t kLastCodePoint = 0x10FFFF;

struct CodePointRange {
  uint32_t first, last;
  auto operator<=>(const CodePointRange&) const = default;
};

/// Sorted, apart from each other, without surrogates (which are no characters).
using CodePointSet = std::vector<CodePointRange>;

/// Ranges in any order.
CodePointSet make_set(std::vector<CodePointRange> ranges);
/// All characters that are not in `set`.
CodePointSet complement(const CodePointSet& set);
/// `set` without the characters of `without`.
CodePointSet difference(const CodePointSet& set, const CodePointSet& without);
bool contains(const CodePointSet& set, uint32_t code_point);

inline bool is_character(uint32_t code_point) {
  return code_point <= kLastCodePoint && (code_point < 0xD800 || code_point > 0xDFFF);
}

/// Takes the character at the front of `text` off it; nothing when there is no whole one.
std::optional<uint32_t> take_character(std::string_view& text);
std::string to_utf8(uint32_t code_point);

/// Bytes one after another, each in a range: what the characters from one to another share.
struct ByteSequence {
  struct Bytes {
    uint8_t first, last;
  };
  int length = 0;
  std::array<Bytes, 4> bytes = {};
};

/// Sequences that are the UTF-8 of the set's characters, and of nothing else.
std::vector<ByteSequence> utf8_sequences(const CodePointSet& set);

}  // namespace octavo
