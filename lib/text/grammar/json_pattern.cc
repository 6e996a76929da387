#include "text/grammar/json_pattern.h"

#include <optional>

#include "core/error.h"
#include "text/grammar/code_points.h"
#include "text/grammar/gbnf_writer.h"

namespace octavo {
namespace {

constexpr int kMaxDepth = 50;

const CodePointSet kDigits = {{'0', '9'}};
const CodePointSet kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const CodePointSet kSpace = {{'\t', '\r'}, {' ', ' '}};
/// What must be written with a backslash in a JSON string.
const CodePointSet kEscaped = {{0, 0x1F}, {'"', '"'}, {'\\', '\\'}};

/// A character of `set` as it stands in a JSON string.
std::string json_character(const CodePointSet& set) {
  const CodePointSet plain = difference(set, kEscaped);
  std::string result;
  const auto add = [&result](const std::string& part) {
    result.append(result.empty() ? "" : " | ").append(part);
  };
  if (!plain.empty()) add(gbnf_class(plain));
  if (contains(set, '"')) add(gbnf_literal("\\\""));
  if (contains(set, '\\')) add(gbnf_literal("\\\\"));
  // Control characters only where nothing else would do: no text is better for them.
  for (uint32_t c = 0; plain.empty() && c < 0x20; ++c) {
    if (contains(set, c)) add(gbnf_literal(fmt::format("\\u{:04x}", c)));
  }
  return fmt::format("({})", result);
}

class Pattern {
 public:
  Pattern(std::string_view text, std::string_view any_character, std::string_view where)
      : rest_(text), any_(any_character), where_(where) {}

  std::string translate() {
    std::string result = top_alternative();
    while (take("|")) result.append(" | ").append(top_alternative());
    if (!rest_.empty()) refuse("')' without '('");
    return fmt::format("({})", result);
  }

 private:
  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  [[noreturn]] void refuse(std::string_view what) const {
    fail(ErrorCode::kUnsupported, "{}: pattern: {} is not supported", where_, what);
  }

  /// A pattern may match anywhere unless it says otherwise.
  std::string top_alternative() {
    const bool from_start = take("^");
    std::string result = from_start ? "" : any_ + "* ";
    result += sequence(0);
    if (!take("$")) return result + " " + any_ + "*";
    if (!rest_.empty() && rest_.front() != '|') refuse("'$' before the end");
    return result;
  }

  std::string sequence(int depth) {
    std::string result;
    while (const auto item = element(depth)) {
      result.append(result.empty() ? "" : " ").append(*item).append(quantifier());
    }
    return result.empty() ? "\"\"" : result;
  }

  std::optional<std::string> element(int depth) {
    if (rest_.empty() || rest_.front() == '|' || rest_.front() == ')') return {};
    if (rest_.front() == '$') {
      if (depth > 0) refuse("'$' inside a group");
      return {};
    }
    if (take("(")) return group(depth + 1);
    if (take("[")) return json_character(character_class());
    if (take(".")) return json_character(complement({{'\n', '\n'}, {'\r', '\r'}}));
    if (take("\\")) return json_character(escape());
    for (const std::string_view special : {"^", "*", "+", "?", "{", "}", "]"}) {
      if (rest_.starts_with(special)) refuse(fmt::format("'{}' here", special));
    }
    return json_character(character());
  }

  std::string group(int depth) {
    if (depth > kMaxDepth) refuse("so many groups inside each other");
    if (take("?") && !take(":")) refuse("a group (?...) other than (?:...)");
    std::string result = fmt::format("({}", sequence(depth));
    while (take("|")) result.append(" | ").append(sequence(depth));
    if (!take(")")) refuse("'(' without ')'");
    return result + ")";
  }

  std::string quantifier() {
    std::string result;
    if (take("*")) {
      result = "*";
    } else if (take("+")) {
      result = "+";
    } else if (take("?")) {
      result = "?";
    } else if (rest_.starts_with("{")) {
      const size_t end = rest_.find('}');
      if (end == rest_.npos) refuse("'{' without '}'");
      result = rest_.substr(0, end + 1);
      // GBNF writes bounds in the same way.
      if (result.find_first_not_of("0123456789,", 1) != end || result.size() < 3 ||
          result[1] == ',') {
        refuse(result);
      }
      rest_.remove_prefix(end + 1);
    }
    // Lazy or not, the same texts match.
    if (!result.empty()) take("?");
    return result;
  }

  CodePointSet character() {
    const auto code_point = take_character(rest_);
    if (!code_point) refuse("a byte that is no text");
    return {{*code_point, *code_point}};
  }

  CodePointSet character_class() {
    const bool negated = take("^");
    std::vector<CodePointRange> ranges;
    while (!take("]")) {
      if (rest_.empty()) refuse("'[' without ']'");
      CodePointSet set = take("\\") ? escape() : character();
      if (rest_.starts_with("-") && !rest_.starts_with("-]")) {
        take("-");
        const CodePointSet end = take("\\") ? escape() : character();
        const bool are_characters = set.size() == 1 && set[0].first == set[0].last &&
                                    end.size() == 1 && end[0].first == end[0].last;
        if (!are_characters || end[0].first < set[0].first) refuse("such a range in [...]");
        set[0].last = end[0].last;
      }
      ranges.insert(ranges.end(), set.begin(), set.end());
    }
    CodePointSet set = make_set(std::move(ranges));
    if (negated) set = complement(set);
    if (set.empty()) refuse("a class of nothing");
    return set;
  }

  /// Behind the backslash.
  CodePointSet escape() {
    if (rest_.empty()) refuse("a backslash at the end");
    const char c = rest_.front();
    const auto one = [](uint32_t code_point) -> CodePointSet { return {{code_point, code_point}}; };
    if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')) return character();
    rest_.remove_prefix(1);
    switch (c) {
      case 'd':
        return kDigits;
      case 'D':
        return complement(kDigits);
      case 'w':
        return kWord;
      case 'W':
        return complement(kWord);
      case 's':
        return kSpace;
      case 'S':
        return complement(kSpace);
      case 't':
        return one('\t');
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case 'x':
        return one(hexadecimal(2));
      case 'u':
        return one(hexadecimal(4));
      default:
        refuse(fmt::format("\\{}", c));
    }
  }

  uint32_t hexadecimal(size_t digits) {
    const std::string text(rest_.substr(0, digits));
    if (text.size() < digits || text.find_first_not_of("0123456789abcdefABCDEF") != text.npos) {
      refuse("an escape with too few hexadecimal digits");
    }
    rest_.remove_prefix(digits);
    const auto code_point = static_cast<uint32_t>(std::stoul(text, nullptr, 16));
    if (!is_character(code_point)) refuse("half of a surrogate pair");
    return code_point;
  }

  std::string_view rest_;
  std::string any_;
  std::string_view where_;
};

}  // namespace

std::string pattern_to_gbnf(std::string_view pattern, std::string_view any_character,
                            std::string_view where) {
  return Pattern(pattern, any_character, where).translate();
}

}  // namespace octavo
