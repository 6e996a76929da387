#include "text/grammar/gbnf_parser.h"

#include <map>

#include "core/error.h"
#include "text/grammar/gbnf_lexer.h"

namespace octavo {
namespace {

/// Groups inside groups; deeper ones would only exhaust the stack.
constexpr int kMaxDepth = 200;

class Parser {
 public:
  Parser(std::string_view text, std::string_view source) : lexer_(text, source) {}

  GrammarText parse() {
    lexer_.skip_space(true);
    while (!lexer_.at_end()) rule();
    for (size_t i = 0; i < grammar_.rules.size(); ++i) {
      const GrammarRule& rule = grammar_.rules[i];
      if (!defined_[i]) lexer_.fail_at(rule.line, "rule '" + rule.name + "' is not defined");
    }
    const auto root = indexes_.find("root");
    if (root == indexes_.end()) lexer_.fail_here("there is no rule named 'root'");
    grammar_.root = root->second;
    return std::move(grammar_);
  }

 private:
  int index_of(const std::string& name) {
    const auto [entry, is_new] = indexes_.try_emplace(name, static_cast<int>(indexes_.size()));
    if (is_new) {
      grammar_.rules.push_back({name, lexer_.line(), {}});
      defined_.push_back(false);
    }
    return entry->second;
  }

  void rule() {
    const std::string name = lexer_.name();
    const int line = lexer_.line();
    lexer_.skip_space(false);
    if (!lexer_.take("::=")) lexer_.fail_here("'::=' expected after the name '" + name + "'");
    lexer_.skip_space(true);
    const auto index = static_cast<size_t>(index_of(name));
    if (defined_[index]) lexer_.fail_at(line, "rule '" + name + "' is defined a second time");
    Expression body = alternates(0);
    grammar_.rules[index].body = std::move(body);
    grammar_.rules[index].line = line;
    defined_[index] = true;
    if (!lexer_.at_end() && !lexer_.at_line_end()) {
      lexer_.fail_here("the end of the line expected, not " + lexer_.shown());
    }
    lexer_.skip_space(true);
  }

  /// depth > 0: inside a group, where lines may end anywhere.
  Expression alternates(int depth) {
    if (depth > kMaxDepth) lexer_.fail_here("too many groups inside each other");
    Expression result = sequence(depth);
    if (lexer_.front() != '|') return result;
    Expression all = {.kind = Expression::Kind::kAlternates};
    all.parts.push_back(std::move(result));
    while (lexer_.take("|")) {
      lexer_.skip_space(true);
      all.parts.push_back(sequence(depth));
    }
    return all;
  }

  Expression sequence(int depth) {
    Expression result;
    Expression item;
    while (element(depth, item)) {
      lexer_.skip_space(depth > 0);
      for (int times = 0; repetition(item); ++times) {
        if (times == kMaxDepth) lexer_.fail_here("too many repetitions of repetitions");
        lexer_.skip_space(depth > 0);
      }
      result.parts.push_back(std::move(item));
      item = {};
    }
    if (result.parts.size() == 1) return std::move(result.parts.front());
    return result;
  }

  bool element(int depth, Expression& item) {
    const char front = lexer_.front();
    if (front == '"') {
      item = literal();
    } else if (front == '[') {
      item = character_class(lexer_.character_class());
    } else if (front == '.') {
      lexer_.take(".");
      item = character_class(complement({}));
    } else if (front == '(') {
      lexer_.take("(");
      lexer_.skip_space(true);
      item = alternates(depth + 1);
      if (!lexer_.take(")")) lexer_.fail_here("')' expected, not " + lexer_.shown());
    } else if (lexer_.at_name()) {
      item = {.kind = Expression::Kind::kRule, .index = index_of(lexer_.name())};
    } else if (front == '*' || front == '+' || front == '?' || front == '{') {
      lexer_.fail_here(lexer_.shown() + " has nothing in front of it to repeat");
    } else {
      return false;
    }
    return true;
  }

  Expression literal() {
    Expression result;
    for (const uint32_t code_point : lexer_.literal()) {
      result.parts.push_back(character_class({{code_point, code_point}}));
    }
    if (result.parts.size() == 1) return std::move(result.parts.front());
    return result;
  }

  Expression character_class(const CodePointSet& set) {
    const auto [entry, is_new] = classes_.try_emplace(set, static_cast<int>(classes_.size()));
    if (is_new) grammar_.classes.push_back(set);
    return {.kind = Expression::Kind::kClass, .index = entry->second};
  }

  /// Turns `item` into its repetition if one follows.
  bool repetition(Expression& item) {
    int least = 0, most = Expression::kUnbounded;
    if (lexer_.take("+")) {
      least = 1;
    } else if (lexer_.take("?")) {
      most = 1;
    } else if (lexer_.front() == '{') {
      std::tie(least, most) = lexer_.bounds();
    } else if (!lexer_.take("*")) {
      return false;
    }
    Expression repeat = {.kind = Expression::Kind::kRepeat, .least = least, .most = most};
    repeat.parts.push_back(std::move(item));
    item = std::move(repeat);
    return true;
  }

  GbnfLexer lexer_;
  GrammarText grammar_;
  std::vector<bool> defined_;  ///< [rules]
  std::map<std::string, int> indexes_;
  std::map<CodePointSet, int> classes_;
};

}  // namespace

GrammarText parse_gbnf(std::string_view text, std::string_view source) {
  return Parser(text, source).parse();
}

}  // namespace octavo
