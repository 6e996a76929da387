// The words of GBNF: names, literals, classes, bounds; and where in the text they stand.
#pragma once

#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "text/grammar/code_points.h"

namespace octavo {

/// Throws Error(kInvalidArgument) for what is no GBNF.
class GbnfLexer {
 public:
  GbnfLexer(std::string_view text, std::string_view source);

  int line() const { return line_; }
  bool at_end() const { return rest_.empty(); }
  bool at_line_end() const { return front() == '\n' || front() == '\r'; }
  /// A rule's name begins here.
  bool at_name() const;
  /// '\0' at the end.
  char front() const { return rest_.empty() ? '\0' : rest_.front(); }
  /// What stands here, for messages.
  std::string shown() const;

  /// Blanks and comments, and with `lines` the ends of lines too.
  void skip_space(bool lines);
  /// Takes `word` if it stands here.
  bool take(std::string_view word);
  std::string name();
  /// "..." with its escapes.
  std::vector<uint32_t> literal();
  /// [...] or [^...].
  CodePointSet character_class();
  /// {m}, {m,} or {m,n}; -1: no upper bound.
  std::tuple<int, int> bounds();

  [[noreturn]] void fail_here(const std::string& what) const { fail_at(line_, what); }
  [[noreturn]] void fail_at(int line, const std::string& what) const;

 private:
  uint32_t character();
  uint32_t escape();
  uint32_t hexadecimal(int digits);
  int number();

  std::string_view rest_;
  std::string source_;
  int line_ = 1;
};

}  // namespace octavo
