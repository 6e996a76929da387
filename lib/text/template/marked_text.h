// Text whose bytes remember who wrote them: the template or a message. Every operation of a
// template keeps that, so a control token that a message merely spells is never taken for one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octavo::jinja {

enum class Origin : char {
  kTemplate,     ///< the template itself, roles, the names of control tokens
  kMessage,      ///< the content of a message
  kLastMessage,  ///< the content of the last one, so that its end is found again
};

struct MarkedText {
  std::string bytes;
  std::string origins;  ///< [bytes]: an Origin for each

  MarkedText() = default;
  explicit MarkedText(std::string_view text, Origin origin = Origin::kTemplate)
      : bytes(text), origins(text.size(), static_cast<char>(origin)) {}

  size_t size() const { return bytes.size(); }
  Origin origin(size_t index) const { return static_cast<Origin>(origins[index]); }
  void append(const MarkedText& other);
  void append(std::string_view text, Origin origin);
  MarkedText substr(size_t begin, size_t count = std::string::npos) const;
};

/// Where each character of UTF-8 begins, and the end: [characters + 1].
std::vector<size_t> character_starts(std::string_view text);

/// Python's white space without arguments, else any of the characters in `characters`.
MarkedText strip(const MarkedText& text, std::string_view characters, bool left, bool right);
/// At white space, without empty parts.
std::vector<MarkedText> split_words(const MarkedText& text);
/// At each `separator` (not empty), at most `most` times.
std::vector<MarkedText> split(const MarkedText& text, std::string_view separator, size_t most);
/// `to` instead of each `from` (not empty).
MarkedText replace(const MarkedText& text, std::string_view from, const MarkedText& to);

}  // namespace octavo::jinja
