// Expressions of a template, in the order of binding that Jinja has.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/template/ast.h"
#include "text/template/lexer.h"

namespace octavo::jinja {

/// Goes through the tokens of a template; also what the parser of statements stands on.
class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  ExpressionPtr expression();
  /// Without `a if b else c`: the list of a `for`, behind which an `if` filters.
  ExpressionPtr or_expression();

  const Token& peek() const { return tokens_[at_]; }
  Token take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool is_next(TokenKind kind, std::string_view text) const;
  bool take_if(TokenKind kind, std::string_view text);
  void expect(TokenKind kind, std::string_view text);
  std::string take_name();
  [[noreturn]] void fail_unexpected() const;

 private:
  class Level;

  ExpressionPtr and_expression();
  ExpressionPtr not_expression();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr unary(bool with_filters);
  ExpressionPtr primary();
  ExpressionPtr postfix(ExpressionPtr operand);
  ExpressionPtr subscript(ExpressionPtr operand);
  ExpressionPtr filters_and_tests(ExpressionPtr operand);
  ExpressionPtr test(ExpressionPtr operand);
  ExpressionPtr sequence(std::string_view end);
  ExpressionPtr dictionary();
  /// After '(': arguments of a call to `node`, up to ')'.
  void arguments(Expression& node);
  ExpressionPtr left_associative(ExpressionPtr (ExpressionParser::*operand)(),
                                 const std::vector<std::string_view>& operators);

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace octavo::jinja
