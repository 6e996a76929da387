#include "text/grammar/gbnf_lexer.h"

#include "core/error.h"

namespace octavo {
namespace {

constexpr size_t kMaxText = 4 << 20;  ///< bytes of a grammar
constexpr int kMaxTimes = 1'000'000;  ///< of a repetition

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '-' || c == '_';
}

}  // namespace

GbnfLexer::GbnfLexer(std::string_view text, std::string_view source)
    : rest_(text), source_(source) {
  if (text.size() > kMaxText) {
    fail(ErrorCode::kInvalidArgument, "{} has {} bytes; {} are the most", source, text.size(),
         kMaxText);
  }
}

void GbnfLexer::fail_at(int line, const std::string& what) const {
  fail(ErrorCode::kInvalidArgument, "{}, line {}: {}", source_, line, what);
}

bool GbnfLexer::at_name() const { return is_name(front()); }

std::string GbnfLexer::shown() const {
  if (at_end()) return "the end";
  if (at_line_end()) return "the end of the line";
  std::string_view rest = rest_;
  const auto code_point = take_character(rest);
  if (!code_point || *code_point < ' ') return "a byte that is no text";
  return fmt::format("'{}'", to_utf8(*code_point));
}

void GbnfLexer::skip_space(bool lines) {
  while (!at_end()) {
    const char c = front();
    if (c == '#') {
      rest_.remove_prefix(std::min(rest_.find_first_of("\r\n"), rest_.size()));
    } else if (c == ' ' || c == '\t' || (lines && at_line_end())) {
      line_ += c == '\n';
      rest_.remove_prefix(1);
    } else {
      return;
    }
  }
}

bool GbnfLexer::take(std::string_view word) {
  if (!rest_.starts_with(word)) return false;
  rest_.remove_prefix(word.size());
  return true;
}

std::string GbnfLexer::name() {
  size_t length = 0;
  while (length < rest_.size() && is_name(rest_[length])) ++length;
  if (length == 0) fail_here("a rule's name expected, not " + shown());
  std::string name(rest_.substr(0, length));
  rest_.remove_prefix(length);
  return name;
}

std::vector<uint32_t> GbnfLexer::literal() {
  const int opened = line_;
  take("\"");
  std::vector<uint32_t> code_points;
  while (!take("\"")) {
    if (at_end()) fail_at(opened, "a string that does not end");
    const uint32_t code_point = character();
    if (!is_character(code_point)) fail_here("a string with what is no character");
    code_points.push_back(code_point);
  }
  return code_points;
}

CodePointSet GbnfLexer::character_class() {
  const int opened = line_;
  take("[");
  const bool negated = take("^");
  std::vector<CodePointRange> ranges;
  while (!take("]")) {
    if (at_end()) fail_at(opened, "a class [...] that does not end");
    CodePointRange range = {character(), 0};
    range.last = range.first;
    if (front() == '-' && !rest_.starts_with("-]")) {
      take("-");
      if (at_end()) fail_at(opened, "a class [...] that does not end");
      range.last = character();
    }
    if (range.last < range.first) fail_here("a range whose end is before its start");
    ranges.push_back(range);
  }
  if (ranges.empty() && !negated) fail_at(opened, "a class [] of nothing");
  const CodePointSet set = make_set(std::move(ranges));
  return negated ? complement(set) : set;
}

uint32_t GbnfLexer::character() {
  if (take("\\")) return escape();
  const bool new_line = front() == '\n';
  const auto code_point = take_character(rest_);
  if (!code_point) fail_here("bytes that are no UTF-8");
  line_ += new_line;
  return *code_point;
}

uint32_t GbnfLexer::escape() {
  const char c = front();
  if (!at_end()) rest_.remove_prefix(1);
  switch (c) {
    case 'x':
      return hexadecimal(2);
    case 'u':
      return hexadecimal(4);
    case 'U':
      return hexadecimal(8);
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case 'n':
      return '\n';
    case '\\':
    case '"':
    case '[':
    case ']':
      return static_cast<uint32_t>(c);
    default:
      fail_here("an unknown escape; known are \\x \\u \\U \\t \\r \\n \\\\ \\\" \\[ \\]");
  }
}

uint32_t GbnfLexer::hexadecimal(int digits) {
  uint32_t value = 0;
  for (int i = 0; i < digits; ++i) {
    const char c = front();
    const int digit = is_digit(c)            ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) fail_here("an escape with too few hexadecimal digits");
    value = value << 4 | static_cast<uint32_t>(digit);
    rest_.remove_prefix(1);
  }
  if (value > kLastCodePoint) fail_here("an escape past the last code point, 10FFFF");
  return value;
}

int GbnfLexer::number() {
  if (!is_digit(front())) fail_here("a number expected in {...}, not " + shown());
  int value = 0;
  while (is_digit(front())) {
    value = 10 * value + (front() - '0');
    if (value > kMaxTimes) fail_here("a repetition of more than 1000000 times");
    rest_.remove_prefix(1);
  }
  return value;
}

std::tuple<int, int> GbnfLexer::bounds() {
  take("{");
  skip_space(false);
  const int least = number();
  int most = least;
  skip_space(false);
  if (take(",")) {
    skip_space(false);
    most = front() == '}' ? -1 : number();
    skip_space(false);
  }
  if (!take("}")) fail_here("'}' expected, not " + shown());
  if (most >= 0 && most < least) fail_here("a repetition of at most fewer times than at least");
  return {least, most};
}

}  // namespace octavo
