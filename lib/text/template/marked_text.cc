#include "text/template/marked_text.h"

#include <algorithm>
#include <array>

namespace octavo::jinja {
namespace {

// What Python's str.isspace says, beyond a single byte.
constexpr std::array<std::string_view, 19> kWideSpaces = {
    "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81",
    "\xE2\x80\x82", "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86",
    "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8",
    "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};

bool is_space(std::string_view character) {
  if (character.size() != 1) {
    return std::find(kWideSpaces.begin(), kWideSpaces.end(), character) != kWideSpaces.end();
  }
  const char c = character.front();
  return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1C' && c <= '\x1F');
}

bool is_among(std::string_view character, std::string_view characters) {
  const std::vector<size_t> starts = character_starts(characters);
  for (size_t i = 0; i + 1 < starts.size(); ++i) {
    if (characters.substr(starts[i], starts[i + 1] - starts[i]) == character) return true;
  }
  return false;
}

}  // namespace

void MarkedText::append(const MarkedText& other) {
  bytes += other.bytes;
  origins += other.origins;
}

void MarkedText::append(std::string_view text, Origin origin) {
  bytes += text;
  origins.append(text.size(), static_cast<char>(origin));
}

MarkedText MarkedText::substr(size_t begin, size_t count) const {
  MarkedText part;
  part.bytes = bytes.substr(begin, count);
  part.origins = origins.substr(begin, count);
  return part;
}

std::vector<size_t> character_starts(std::string_view text) {
  std::vector<size_t> starts;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool continues = (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80;
    if (!continues || i == 0) starts.push_back(i);
  }
  starts.push_back(text.size());
  return starts;
}

MarkedText strip(const MarkedText& text, std::string_view characters, bool left, bool right) {
  const std::vector<size_t> starts = character_starts(text.bytes);
  const auto goes = [&](size_t i) {
    const std::string_view character =
        std::string_view(text.bytes).substr(starts[i], starts[i + 1] - starts[i]);
    return characters.empty() ? is_space(character) : is_among(character, characters);
  };
  size_t begin = 0, end = starts.size() - 1;
  while (left && begin < end && goes(begin)) ++begin;
  while (right && end > begin && goes(end - 1)) --end;
  return text.substr(starts[begin], starts[end] - starts[begin]);
}

std::vector<MarkedText> split_words(const MarkedText& text) {
  const std::vector<size_t> starts = character_starts(text.bytes);
  std::vector<MarkedText> parts;
  size_t begin = 0;  // of the word, in bytes
  for (size_t i = 0; i + 1 < starts.size(); ++i) {
    const size_t next = starts[i + 1];
    if (!is_space(std::string_view(text.bytes).substr(starts[i], next - starts[i]))) continue;
    if (starts[i] > begin) parts.push_back(text.substr(begin, starts[i] - begin));
    begin = next;
  }
  if (text.size() > begin) parts.push_back(text.substr(begin));
  return parts;
}

std::vector<MarkedText> split(const MarkedText& text, std::string_view separator, size_t most) {
  std::vector<MarkedText> parts;
  size_t begin = 0;
  while (parts.size() < most) {
    const size_t end = text.bytes.find(separator, begin);
    if (end == std::string::npos) break;
    parts.push_back(text.substr(begin, end - begin));
    begin = end + separator.size();
  }
  parts.push_back(text.substr(begin));
  return parts;
}

MarkedText replace(const MarkedText& text, std::string_view from, const MarkedText& to) {
  MarkedText result;
  size_t begin = 0;
  for (;;) {
    const size_t end = text.bytes.find(from, begin);
    result.append(text.substr(begin, end - begin));
    if (end == std::string::npos) return result;
    result.append(to);
    begin = end + from.size();
  }
}

}  // namespace octavo::jinja
