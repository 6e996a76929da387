#include "convert/tensor_pattern.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "core/error.h"
#include "io/printable.h"

namespace octavo {
namespace {

constexpr int64_t kNoEnd = std::numeric_limits<int64_t>::max();

bool is_digit(char c) { return c >= '0' && c <= '9'; }

[[noreturn]] void fail_pattern(std::string_view text, std::string_view why) {
  fail(ErrorCode::kInvalidArgument, "pattern {}: {}", printable(text), why);
}

std::optional<int64_t> parse_whole(std::string_view digits) {
  int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  if (digits.empty() || !is_digit(digits.front()) || stop != end || error != std::errc()) return {};
  return value;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> pieces;
  for (size_t comma; (comma = text.find(',')) != text.npos; text.remove_prefix(comma + 1)) {
    pieces.push_back(text.substr(0, comma));
  }
  pieces.push_back(text);
  return pieces;
}

}  // namespace

TensorPattern::TensorPattern(std::string_view text) : parts_(parse(text, false)) {
  if (text.empty()) fail_pattern(text, "is empty");
}

std::vector<TensorPattern::Part> TensorPattern::parse(std::string_view text, bool in_choice) {
  std::vector<Part> parts;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '[' || c == '{') {
      const size_t close = text.find(c == '[' ? ']' : '}', at);
      if (close == text.npos)
        fail_pattern(text, c == '[' ? "a [ is not closed" : "a { is not closed");
      const std::string_view inside = text.substr(at + 1, close - at - 1);
      if (c == '{' && in_choice) fail_pattern(text, "a { stands within another");
      parts.push_back(c == '[' ? parse_number(text, inside) : parse_choice(text, inside));
      at = close + 1;
    } else if (c == ']' || c == '}') {
      fail_pattern(text, c == ']' ? "a ] without its [" : "a } without its {");
    } else if (c == '*') {
      parts.push_back({.kind = Part::Kind::kAny});
      ++at;
    } else {
      const size_t end = std::min(text.find_first_of("[]{}*", at), text.size());
      parts.push_back({.text = std::string(text.substr(at, end - at))});
      at = end;
    }
  }
  return parts;
}

TensorPattern::Part TensorPattern::parse_number(std::string_view text, std::string_view inside) {
  Part part = {.kind = Part::Kind::kNumber};
  for (const std::string_view piece : split(inside)) {
    const size_t dash = piece.find('-');
    const std::optional<int64_t> first = parse_whole(piece.substr(0, dash));
    std::optional<int64_t> last = first;
    if (dash != piece.npos) {
      const std::string_view end = piece.substr(dash + 1);
      last = end.empty() ? kNoEnd : parse_whole(end);
    }
    if (!first || !last || *last < *first) {
      fail_pattern(text, "within [ ] stand numbers and ranges, as in [0-3,7,28-]");
    }
    part.ranges.push_back({*first, *last});
  }
  return part;
}

TensorPattern::Part TensorPattern::parse_choice(std::string_view text, std::string_view inside) {
  Part part = {.kind = Part::Kind::kChoice};
  // A comma within [ ] belongs to the ranges.
  int depth = 0;
  size_t begin = 0;
  for (size_t at = 0; at <= inside.size(); ++at) {
    if (at < inside.size() && inside[at] == '[') ++depth;
    if (at < inside.size() && inside[at] == ']') --depth;
    if (at < inside.size() && (inside[at] != ',' || depth > 0)) continue;
    if (at == begin) fail_pattern(text, "a choice within { } is empty");
    part.choices.push_back(parse(inside.substr(begin, at - begin), true));
    begin = at + 1;
  }
  return part;
}

bool TensorPattern::matches(std::string_view name) const {
  Reached start(name.size() + 1, false);
  start.front() = true;
  return follow(parts_, name, std::move(start)).back();
}

TensorPattern::Reached TensorPattern::follow(const std::vector<Part>& parts, std::string_view name,
                                             Reached from) {
  for (const Part& part : parts) from = follow_part(part, name, from);
  return from;
}

TensorPattern::Reached TensorPattern::follow_part(const Part& part, std::string_view name,
                                                  const Reached& from) {
  Reached to(from.size(), false);
  if (part.kind == Part::Kind::kChoice) {
    for (const std::vector<Part>& choice : part.choices) {
      const Reached reached = follow(choice, name, from);
      for (size_t at = 0; at < to.size(); ++at) to[at] = to[at] || reached[at];
    }
    return to;
  }
  for (size_t at = 0; at < from.size(); ++at) {
    if (!from[at]) continue;
    const std::string_view rest = name.substr(at);
    if (part.kind == Part::Kind::kText && rest.starts_with(part.text)) {
      to[at + part.text.size()] = true;
    } else if (part.kind == Part::Kind::kAny) {
      std::fill(to.begin() + static_cast<ptrdiff_t>(at), to.end(), true);
    } else if (part.kind == Part::Kind::kNumber) {
      const bool within = at > 0 && is_digit(name[at - 1]);  // only a whole number counts
      const size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
      const std::optional<int64_t> value = parse_whole(rest.substr(0, digits));
      if (within || !value) continue;
      to[at + digits] =
          std::any_of(part.ranges.begin(), part.ranges.end(),
                      [&](const Range& r) { return *value >= r.first && *value <= r.last; }) ||
          to[at + digits];
    }
  }
  return to;
}

}  // namespace octavo
