#include "text/template/lexer.h"

#include <algorithm>
#include <array>

#include "text/template/errors.h"

namespace octavo::jinja {
namespace {

constexpr std::string_view kSpaces = " \t\n\r\f\v";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

/// One kind of line end, and none at the end of the source, as Jinja reads it.
std::string with_plain_line_ends(std::string_view source) {
  std::string text;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text += source[i];
    } else if (i + 1 == source.size() || source[i + 1] != '\n') {
      text += '\n';
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

void append_utf8(std::string& out, uint32_t code) {
  const auto add = [&out](uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xC0 | code >> 6), add(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    add(0xE0 | code >> 12), add(0x80 | (code >> 6 & 0x3F)), add(0x80 | (code & 0x3F));
  } else {
    add(0xF0 | code >> 18), add(0x80 | (code >> 12 & 0x3F));
    add(0x80 | (code >> 6 & 0x3F)), add(0x80 | (code & 0x3F));
  }
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : text_(with_plain_line_ends(source)) {}

  std::vector<Token> run() {
    while (!rest().empty()) {
      text_until_block();
      if (rest().empty()) break;
      if (rest().starts_with("{#")) {
        comment();
      } else {
        block(rest()[1] == '{');
      }
    }
    add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(text_).substr(at_); }
  void add(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }
  void advance(size_t count) {
    const auto begin = text_.begin() + static_cast<std::ptrdiff_t>(at_);
    line_ += static_cast<int>(std::count(begin, begin + static_cast<std::ptrdiff_t>(count), '\n'));
    at_ += count;
  }
  void skip_spaces() { advance(std::min(rest().find_first_not_of(kSpaces), rest().size())); }

  /// Text up to the next `{{`, `{%` or `{#`, without what these strip in front of them.
  void text_until_block() {
    const std::string_view all = rest();
    size_t end = 0;
    while ((end = all.find('{', end)) != all.npos) {
      const char next = end + 1 < all.size() ? all[end + 1] : ' ';
      if (next == '{' || next == '%' || next == '#') break;
      ++end;
    }
    std::string_view text = all.substr(0, end);
    if (end != all.npos) {
      const char sign = end + 2 < all.size() ? all[end + 2] : ' ';
      if (sign == '-') {
        text = text.substr(0, text.find_last_not_of(kSpaces) + 1);
      } else if (sign != '+' && all[end + 1] != '{') {
        text = without_indent(text);
      }
    }
    if (!text.empty()) add(TokenKind::kText, std::string(text));
    advance(std::min(end, all.size()));
  }

  /// lstrip_blocks: blanks between the line's begin and a block go.
  std::string_view without_indent(std::string_view text) const {
    const size_t line_begin = text.rfind('\n') + 1;  // 0 when there is none
    const bool at_line_begin = line_begin > 0 || at_ == 0 || text_[at_ - 1] == '\n';
    const bool blank = text.find_first_not_of(kSpaces, line_begin) == text.npos;
    return at_line_begin && blank ? text.substr(0, line_begin) : text;
  }

  /// After `%}` or `#}`: trim_blocks takes one line end, `-` all white space, `+` nothing.
  void after_block(char sign) {
    if (sign == '-') {
      skip_spaces();
    } else if (sign != '+' && rest().starts_with('\n')) {
      advance(1);
    }
  }

  void comment() {
    const size_t end = text_.find("#}", at_ + 2);
    if (end == std::string::npos) fail_in_line(line_, "a comment without end");
    const char sign = text_[end - 1];
    advance(end + 2 - at_);
    after_block(sign);
  }

  void block(bool output) {
    const int begin_line = line_;
    add(output ? TokenKind::kBeginOutput : TokenKind::kBeginBlock, "");
    advance(2);
    if (rest().starts_with('-') || (!output && rest().starts_with('+'))) advance(1);
    const std::string_view end = output ? "}}" : "%}";
    std::string open;  // brackets, so that the end of {'a': {}} is not taken for the output's
    for (;;) {
      skip_spaces();
      if (rest().empty()) fail_in_line(begin_line, "a block without end");
      const char sign = rest().front();
      const bool signed_end =
          (sign == '-' || (sign == '+' && !output)) && rest().substr(1).starts_with(end);
      if (open.empty() && (signed_end || rest().starts_with(end))) {
        add(output ? TokenKind::kEndOutput : TokenKind::kEndBlock, "");
        advance(signed_end ? 3 : 2);
        if (!output || signed_end) after_block(signed_end ? sign : ' ');
        return;
      }
      if (rest().starts_with("{%") || rest().starts_with("{#")) {
        fail_in_line(begin_line, "a block without end");
      }
      expression_token(open);
    }
  }

  void expression_token(std::string& open) {
    const char c = rest().front();
    if (is_letter(c)) {
      add_run(TokenKind::kName, [](char next) { return is_letter(next) || is_digit(next); });
    } else if (is_digit(c)) {
      number();
    } else if (c == '"' || c == '\'') {
      string(c);
    } else {
      operator_token(open);
    }
  }

  template <class Belongs>
  void add_run(TokenKind kind, const Belongs& belongs) {
    const std::string_view all = rest();
    const auto end = std::find_if_not(all.begin(), all.end(), belongs);
    const auto count = static_cast<size_t>(end - all.begin());
    add(kind, std::string(all.substr(0, count)));
    advance(count);
  }

  void number() {
    add_run(TokenKind::kInteger, is_digit);
    const std::string_view all = rest();
    if (all.size() < 2 || all[0] != '.' || !is_digit(all[1])) return;
    Token whole = std::move(tokens_.back());
    tokens_.pop_back();
    advance(1);
    add_run(TokenKind::kFloat, is_digit);
    tokens_.back().text = whole.text + "." + tokens_.back().text;
  }

  void string(char quote) {
    const int begin_line = line_;
    std::string value;
    size_t i = at_ + 1;
    while (i < text_.size() && text_[i] != quote) {
      if (text_[i] != '\\') {
        value += text_[i++];
      } else {
        i = escape(i + 1, value);
      }
    }
    if (i >= text_.size()) fail_in_line(begin_line, "a string without end");
    add(TokenKind::kString, std::move(value));
    advance(i + 1 - at_);
  }

  /// The escape whose letter is at `i`; returns where the text goes on.
  size_t escape(size_t i, std::string& value) const {
    if (i >= text_.size()) return i;
    constexpr std::string_view kLetters("ntrbfva\\'\"", 10), kMeanings("\n\t\r\b\f\v\a\\'\"", 10);
    const char letter = text_[i];
    const size_t at = kLetters.find(letter);
    if (letter == '\n') return i + 1;  // the line goes on
    if (letter == 'x' || letter == 'u' || letter == 'U') {
      return code_point(i + 1, letter == 'x' ? 2 : letter == 'u' ? 4 : 8, value);
    }
    if (is_digit(letter)) fail_unsupported(line_, "an octal escape");
    if (at == kLetters.npos) {  // as in Python, both stay
      value += '\\';
      value += letter;
    } else {
      value += kMeanings[at];
    }
    return i + 1;
  }

  size_t code_point(size_t i, size_t digits, std::string& value) const {
    uint32_t code = 0;
    for (size_t k = i; k < i + digits; ++k) {
      const char c = k < text_.size() ? text_[k] : ' ';
      const size_t digit = std::string_view("0123456789abcdefABCDEF").find(c);
      if (digit == std::string_view::npos) fail_in_line(line_, "an escape without its digits");
      code = code * 16 + static_cast<uint32_t>(digit < 16 ? digit : digit - 6);
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
      fail_in_line(line_, "an escape that is no character");
    }
    append_utf8(value, code);
    return i + digits;
  }

  void operator_token(std::string& open) {
    constexpr std::array<std::string_view, 26> kOperators = {
        "==", "!=", "<=", ">=", "//", "**", "+", "-", "*", "/", "%", "~", "<",
        ">",  "=",  "(",  ")",  "[",  "]",  "{", "}", ",", ".", ":", "|", ";"};
    for (const std::string_view name : kOperators) {
      if (!rest().starts_with(name)) continue;
      constexpr std::string_view kOpening = "([{", kClosing = ")]}";
      const size_t opening = kOpening.find(name);
      if (opening != name.npos) open += kClosing[opening];
      if (kClosing.find(name) != name.npos) {
        if (!open.ends_with(name)) fail_in_line(line_, "a '{}' that nothing opened", name);
        open.pop_back();
      }
      add(TokenKind::kOperator, std::string(name));
      advance(name.size());
      return;
    }
    fail_in_line(line_, "an unexpected '{}'", printable(rest().substr(0, 1)));
  }

  const std::string text_;
  size_t at_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize_template(std::string_view source) {
  constexpr size_t kLargest = 1 << 20;
  if (source.size() > kLargest) {
    fail(ErrorCode::kUnsupported, "a chat template of {} bytes; the largest are {}", source.size(),
         kLargest);
  }
  return Lexer(source).run();
}

}  // namespace octavo::jinja
