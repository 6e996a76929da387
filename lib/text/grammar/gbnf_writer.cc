#include "text/grammar/gbnf_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace octavo {
namespace {

/// Printable ASCII without the letters of GBNF's own notation stands for itself.
std::string character(uint32_t code_point) {
  constexpr std::string_view kSpecial = "\"\\[]^-";
  const bool plain = code_point >= ' ' && code_point < 0x7F &&
                     kSpecial.find(static_cast<char>(code_point)) == kSpecial.npos;
  if (plain) return {static_cast<char>(code_point)};
  return code_point < 0x80 ? fmt::format("\\x{:02X}", code_point)
                           : fmt::format("\\U{:08X}", code_point);
}

std::string digit(char first, char last) {
  if (first == last) return fmt::format("\"{}\"", first);
  return fmt::format("[{}-{}]", first, last);
}

std::string any_digits(size_t count) {
  return count == 0 ? std::string() : fmt::format(" [0-9]{{{}}}", count);
}

/// As many digits as `bound` has, not below it (or, with `upwards` false, not above).
std::string beyond(std::string_view bound, bool upwards) {
  if (bound.empty()) return {};
  const char free = upwards ? '0' : '9';
  if (bound.find_first_not_of(free) == bound.npos) return any_digits(bound.size());
  const std::string_view rest = bound.substr(1);
  std::string result = fmt::format(" (\"{}\"{}", bound[0], beyond(rest, upwards));
  if (upwards && bound[0] < '9') {
    result.append(" | ").append(digit(static_cast<char>(bound[0] + 1), '9'));
    result += any_digits(rest.size());
  } else if (!upwards && bound[0] > '0') {
    result.append(" | ").append(digit('0', static_cast<char>(bound[0] - 1)));
    result += any_digits(rest.size());
  }
  return result + ")";
}

/// Numbers of one length.
std::string same_length(std::string_view least, std::string_view most) {
  if (least == most) return fmt::format("\"{}\"", least);
  if (least[0] == most[0]) {
    return fmt::format("\"{}\" ({})", least[0], same_length(least.substr(1), most.substr(1)));
  }
  if (least.size() == 1) return digit(least[0], most[0]);
  std::string result = digit(least[0], least[0]) + beyond(least.substr(1), true);
  if (most[0] - least[0] > 1) {
    const char first = static_cast<char>(least[0] + 1), last = static_cast<char>(most[0] - 1);
    result.append(" | ").append(digit(first, last)).append(any_digits(least.size() - 1));
  }
  return result + " | " + digit(most[0], most[0]) + beyond(most.substr(1), false);
}

/// Of numbers without a sign.
std::string magnitudes(uint64_t least, uint64_t most) {
  std::string result;
  while (true) {
    const std::string first = fmt::format("{}", least);
    const std::string nines(first.size(), '9');
    const std::string whole = fmt::format("{}", most);
    const bool is_last = whole.size() == first.size();
    result += (result.empty() ? "" : " | ") + same_length(first, is_last ? whole : nines);
    if (is_last) return result;
    least = 1;
    for (size_t i = 0; i < first.size(); ++i) least *= 10;
  }
}

}  // namespace

std::string gbnf_literal(std::string_view text) {
  std::string result = "\"";
  while (const auto code_point = take_character(text)) result += character(*code_point);
  return result + "\"";
}

std::string gbnf_class(const CodePointSet& set) {
  std::string result = "[";
  for (const auto& [first, last] : set) {
    result += character(first);
    if (last > first) result.append("-").append(character(last));
  }
  return result + "]";
}

std::string gbnf_integers(int64_t least, int64_t most) {
  std::string result;
  if (least < 0) {
    // Of the least number there may be no positive one.
    const uint64_t largest = uint64_t{0} - static_cast<uint64_t>(least);
    const uint64_t smallest = most < 0 ? uint64_t{0} - static_cast<uint64_t>(most) : 1;
    result = fmt::format("\"-\" ({})", magnitudes(smallest, largest));
  }
  if (most < 0) return result;
  if (!result.empty()) result += " | ";
  return result + magnitudes(static_cast<uint64_t>(std::max<int64_t>(least, 0)),
                             static_cast<uint64_t>(most));
}

}  // namespace octavo
