#include "text/grammar/code_points.h"

#include <algorithm>

namespace octavo {
namespace {

constexpr CodePointRange kSurrogates = {0xD800, 0xDFFF};

/// The last character of 1, 2, 3 and 4 bytes.
constexpr std::array<uint32_t, 4> kLastOfLength = {0x7F, 0x7FF, 0xFFFF, kLastCodePoint};

int length_of(uint32_t code_point) {
  int length = 1;
  while (code_point > kLastOfLength[static_cast<size_t>(length - 1)]) ++length;
  return length;
}

/// Whole UTF-8 of characters of one length. Where bytes before the last differ, each later byte
/// must go through all its values; otherwise the range is cut in two.
void add_sequences(CodePointRange range, int length, std::vector<ByteSequence>& sequences) {
  for (int i = 1; i < length; ++i) {
    const uint32_t low = (1u << (6 * i)) - 1;  // the bits of the last i bytes
    if ((range.first & ~low) == (range.last & ~low)) continue;
    if ((range.first & low) != 0) {
      add_sequences({range.first, range.first | low}, length, sequences);
      add_sequences({(range.first | low) + 1, range.last}, length, sequences);
      return;
    }
    if ((range.last & low) != low) {
      add_sequences({range.first, (range.last & ~low) - 1}, length, sequences);
      add_sequences({range.last & ~low, range.last}, length, sequences);
      return;
    }
  }
  const std::string first = to_utf8(range.first), last = to_utf8(range.last);
  ByteSequence sequence;
  sequence.length = length;
  for (size_t i = 0; i < static_cast<size_t>(length); ++i) {
    sequence.bytes[i] = {static_cast<uint8_t>(first[i]), static_cast<uint8_t>(last[i])};
  }
  sequences.push_back(sequence);
}

}  // namespace

CodePointSet make_set(std::vector<CodePointRange> ranges) {
  CodePointSet whole;
  for (const CodePointRange& range : ranges) {  // cut around the surrogates
    const CodePointRange below = {range.first, std::min(range.last, kSurrogates.first - 1)};
    const CodePointRange above = {std::max(range.first, kSurrogates.last + 1),
                                  std::min(range.last, kLastCodePoint)};
    if (below.first <= below.last) whole.push_back(below);
    if (above.first <= above.last) whole.push_back(above);
  }
  std::sort(whole.begin(), whole.end());
  CodePointSet merged;
  for (const CodePointRange& range : whole) {
    if (!merged.empty() && range.first <= merged.back().last + 1) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

CodePointSet complement(const CodePointSet& set) {
  std::vector<CodePointRange> ranges;
  uint32_t next = 0;
  for (const CodePointRange& range : set) {
    if (range.first > next) ranges.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLastCodePoint) ranges.push_back({next, kLastCodePoint});
  return make_set(std::move(ranges));
}

CodePointSet difference(const CodePointSet& set, const CodePointSet& without) {
  std::vector<CodePointRange> removed = complement(set);
  removed.insert(removed.end(), without.begin(), without.end());
  return complement(make_set(std::move(removed)));
}

bool contains(const CodePointSet& set, uint32_t code_point) {
  return std::any_of(set.begin(), set.end(), [code_point](const CodePointRange& range) {
    return range.first <= code_point && code_point <= range.last;
  });
}

std::optional<uint32_t> take_character(std::string_view& text) {
  if (text.empty()) return {};
  const auto lead = static_cast<uint8_t>(text[0]);
  const int length = lead < 0x80 ? 1 : lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (length == 0 || lead > 0xF4 || text.size() < static_cast<size_t>(length)) return {};
  uint32_t code_point = length == 1 ? lead : lead & (0x7Fu >> length);
  for (int i = 1; i < length; ++i) {
    const auto byte = static_cast<uint8_t>(text[static_cast<size_t>(i)]);
    if ((byte & 0xC0) != 0x80) return {};
    code_point = code_point << 6 | (byte & 0x3Fu);
  }
  // Overlong forms and surrogates are no characters.
  if (!is_character(code_point) || length_of(code_point) != length) return {};
  text.remove_prefix(static_cast<size_t>(length));
  return code_point;
}

std::string to_utf8(uint32_t code_point) {
  const int length = length_of(code_point);
  if (length == 1) return {static_cast<char>(code_point)};
  std::string bytes(static_cast<size_t>(length), '\0');
  for (int i = length - 1; i > 0; --i) {
    bytes[static_cast<size_t>(i)] = static_cast<char>(0x80 | (code_point & 0x3F));
    code_point >>= 6;
  }
  bytes[0] = static_cast<char>((0xF00 >> length & 0xFF) | code_point);
  return bytes;
}

std::vector<ByteSequence> utf8_sequences(const CodePointSet& set) {
  std::vector<ByteSequence> sequences;
  for (const CodePointRange& range : set) {
    uint32_t first = range.first;
    while (first <= range.last) {
      const int length = length_of(first);
      const uint32_t last = std::min(range.last, kLastOfLength[static_cast<size_t>(length - 1)]);
      add_sequences({first, last}, length, sequences);
      first = last + 1;
    }
  }
  return sequences;
}

}  // namespace octavo
