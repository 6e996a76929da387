#include "text/template/expression_parser.h"

#include <algorithm>

#include "text/template/errors.h"

namespace octavo::jinja {
namespace {

constexpr int kDeepest = 100;  // of the parser's own calls

using Kind = ExpressionKind;

}  // namespace

/// Counts how deep the parser itself has gone.
class ExpressionParser::Level {
 public:
  explicit Level(ExpressionParser& parser) : depth_(parser.depth_) {
    if (++depth_ > kDeepest) {
      fail_in_line(parser.peek().line, "an expression nested more than {} deep", kDeepest);
    }
  }
  ~Level() { --depth_; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

 private:
  int& depth_;
};

bool ExpressionParser::is_next(TokenKind kind, std::string_view text) const {
  return peek().kind == kind && peek().text == text;
}

bool ExpressionParser::take_if(TokenKind kind, std::string_view text) {
  const bool there = is_next(kind, text);
  if (there) take();
  return there;
}

void ExpressionParser::expect(TokenKind kind, std::string_view text) {
  if (!take_if(kind, text)) fail_unexpected();
}

std::string ExpressionParser::take_name() {
  if (peek().kind != TokenKind::kName) fail_unexpected();
  return take().text;
}

void ExpressionParser::fail_unexpected() const {
  switch (peek().kind) {
    case TokenKind::kEnd:
      fail_in_line(peek().line, "the template ends too early");
    case TokenKind::kEndBlock:
    case TokenKind::kEndOutput:
      fail_in_line(peek().line, "the block ends too early");
    default:
      fail_in_line(peek().line, "an unexpected '{}'", printable(peek().text));
  }
}

ExpressionPtr ExpressionParser::expression() {
  const Level level(*this);
  ExpressionPtr value = or_expression();
  const int line = peek().line;
  if (!take_if(TokenKind::kName, "if")) return value;
  ExpressionPtr condition = or_expression();
  ExpressionPtr otherwise;
  if (take_if(TokenKind::kName, "else")) otherwise = expression();
  return make(Kind::kConditional, line, "", std::move(value), std::move(condition),
              std::move(otherwise));
}

ExpressionPtr ExpressionParser::or_expression() {
  ExpressionPtr left = and_expression();
  for (int line = peek().line; take_if(TokenKind::kName, "or"); line = peek().line) {
    left = make(Kind::kOr, line, "", std::move(left), and_expression());
  }
  return left;
}

ExpressionPtr ExpressionParser::and_expression() {
  ExpressionPtr left = not_expression();
  for (int line = peek().line; take_if(TokenKind::kName, "and"); line = peek().line) {
    left = make(Kind::kAnd, line, "", std::move(left), not_expression());
  }
  return left;
}

ExpressionPtr ExpressionParser::not_expression() {
  const Level level(*this);
  const int line = peek().line;
  if (take_if(TokenKind::kName, "not")) return make(Kind::kNot, line, "", not_expression());
  return comparison();
}

ExpressionPtr ExpressionParser::comparison() {
  ExpressionPtr left = sum();
  for (int count = 0;; ++count) {
    const Token next = peek();
    const bool negated = is_next(TokenKind::kName, "not") &&
                         tokens_[std::min(at_ + 1, tokens_.size() - 1)].text == "in";
    const bool compares = next.kind == TokenKind::kOperator &&
                          (next.text == "==" || next.text == "!=" || next.text == "<" ||
                           next.text == "<=" || next.text == ">" || next.text == ">=");
    if (!compares && !negated && !is_next(TokenKind::kName, "in")) return left;
    if (count > 0) fail_unsupported(next.line, "a chain of comparisons");
    take();
    if (negated) take();
    left = make(Kind::kBinary, next.line, negated ? "in" : next.text, std::move(left), sum());
    if (negated) left = make(Kind::kNot, next.line, "", std::move(left));
  }
}

ExpressionPtr ExpressionParser::left_associative(ExpressionPtr (ExpressionParser::*operand)(),
                                                 const std::vector<std::string_view>& operators) {
  ExpressionPtr left = (this->*operand)();
  for (;;) {
    const Token next = peek();
    if (next.kind != TokenKind::kOperator ||
        std::find(operators.begin(), operators.end(), next.text) == operators.end()) {
      return left;
    }
    take();
    left = make(Kind::kBinary, next.line, next.text, std::move(left), (this->*operand)());
  }
}

ExpressionPtr ExpressionParser::sum() {
  return left_associative(&ExpressionParser::concatenation, {"+", "-"});
}

ExpressionPtr ExpressionParser::concatenation() {
  return left_associative(&ExpressionParser::product, {"~"});
}

ExpressionPtr ExpressionParser::product() {
  ExpressionPtr left = unary(true);
  for (;;) {
    const Token next = peek();
    if (is_next(TokenKind::kOperator, "**")) fail_unsupported(next.line, "the operator **");
    if (next.kind != TokenKind::kOperator ||
        (next.text != "*" && next.text != "/" && next.text != "//" && next.text != "%")) {
      return left;
    }
    take();
    left = make(Kind::kBinary, next.line, next.text, std::move(left), unary(true));
  }
}

ExpressionPtr ExpressionParser::unary(bool with_filters) {
  const Level level(*this);
  const int line = peek().line;
  ExpressionPtr operand;
  if (take_if(TokenKind::kOperator, "-")) {
    operand = make(Kind::kNegative, line, "", unary(false));
  } else if (take_if(TokenKind::kOperator, "+")) {
    operand = unary(false);
  } else {
    operand = postfix(primary());
  }
  return with_filters ? filters_and_tests(std::move(operand)) : std::move(operand);
}

}  // namespace octavo::jinja
