// What an expression is made of: literals, names, calls, subscripts, filters and tests.
#include <charconv>

#include "text/template/errors.h"
#include "text/template/expression_parser.h"

namespace octavo::jinja {
namespace {

using Kind = ExpressionKind;

Expression start(Kind kind, int line, std::string name = "") {
  Expression node;
  node.kind = kind;
  node.line = line;
  node.name = std::move(name);
  return node;
}

ExpressionPtr literal(int line, Value value) {
  Expression node = start(Kind::kLiteral, line);
  node.literal = std::move(value);
  return finish(std::move(node));
}

ExpressionPtr number(const Token& token) {
  const char* begin = token.text.data();
  const char* end = begin + token.text.size();
  if (token.kind == TokenKind::kFloat) return literal(token.line, Value(std::stod(token.text)));
  int64_t value = 0;
  if (std::from_chars(begin, end, value).ec != std::errc()) {
    fail_in_line(token.line, "a number that is too large");
  }
  return literal(token.line, Value(value));
}

}  // namespace

ExpressionPtr ExpressionParser::primary() {
  const Token token = peek();
  switch (token.kind) {
    case TokenKind::kName:
      take();
      if (token.text == "true" || token.text == "True") return literal(token.line, Value(true));
      if (token.text == "false" || token.text == "False") return literal(token.line, Value(false));
      if (token.text == "none" || token.text == "None") return literal(token.line, Value(None{}));
      return make(Kind::kName, token.line, token.text);
    case TokenKind::kString: {
      std::string text;  // strings beside each other are one
      while (peek().kind == TokenKind::kString) text += take().text;
      return literal(token.line, Value(std::string_view(text)));
    }
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return number(take());
    case TokenKind::kOperator:
      if (take_if(TokenKind::kOperator, "[")) return sequence("]");
      if (take_if(TokenKind::kOperator, "(")) return sequence(")");
      if (take_if(TokenKind::kOperator, "{")) return dictionary();
      break;
    default:
      break;
  }
  fail_unexpected();
}

ExpressionPtr ExpressionParser::sequence(std::string_view end) {
  Expression list = start(Kind::kList, peek().line);
  bool comma = false;
  while (!is_next(TokenKind::kOperator, end)) {
    list.operands.push_back(expression());
    comma = take_if(TokenKind::kOperator, ",");
    if (!comma) break;
  }
  expect(TokenKind::kOperator, end);
  // One in parentheses without a comma is itself; several are a tuple, here a list.
  if (end == ")" && list.operands.size() == 1 && !comma) return std::move(list.operands.front());
  return finish(std::move(list));
}

ExpressionPtr ExpressionParser::dictionary() {
  Expression node = start(Kind::kDictionary, peek().line);
  while (!is_next(TokenKind::kOperator, "}")) {
    node.operands.push_back(expression());
    expect(TokenKind::kOperator, ":");
    node.operands.push_back(expression());
    if (!take_if(TokenKind::kOperator, ",")) break;
  }
  expect(TokenKind::kOperator, "}");
  return finish(std::move(node));
}

ExpressionPtr ExpressionParser::postfix(ExpressionPtr operand) {
  for (;;) {
    const int line = peek().line;
    if (take_if(TokenKind::kOperator, ".")) {
      std::string name = take_name();
      operand = make(Kind::kAttribute, line, std::move(name), std::move(operand));
    } else if (take_if(TokenKind::kOperator, "[")) {
      operand = subscript(std::move(operand));
    } else if (take_if(TokenKind::kOperator, "(")) {
      Expression call = start(Kind::kCall, line, operand->name);
      if (operand->kind == Kind::kAttribute) {
        call.kind = Kind::kMethod;
        call.operands.push_back(std::move(operand->operands.front()));
      } else if (operand->kind != Kind::kName) {
        fail_unsupported(line, "a call of something else than a function's name");
      }
      arguments(call);
      operand = finish(std::move(call));
    } else {
      return operand;
    }
  }
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr operand) {
  const int line = peek().line;
  const auto part = [this] {
    const bool absent = is_next(TokenKind::kOperator, ":") || is_next(TokenKind::kOperator, "]");
    return absent ? ExpressionPtr() : expression();
  };
  ExpressionPtr first = part();
  if (take_if(TokenKind::kOperator, "]")) {
    if (!first) fail_in_line(line, "an index that is empty");
    return make(Kind::kIndex, line, "", std::move(operand), std::move(first));
  }
  expect(TokenKind::kOperator, ":");
  ExpressionPtr last = part(), step;
  if (take_if(TokenKind::kOperator, ":")) step = part();
  expect(TokenKind::kOperator, "]");
  return make(Kind::kSlice, line, "", std::move(operand), std::move(first), std::move(last),
              std::move(step));
}

void ExpressionParser::arguments(Expression& node) {
  while (!is_next(TokenKind::kOperator, ")")) {
    if (is_next(TokenKind::kOperator, "*") || is_next(TokenKind::kOperator, "**")) {
      fail_unsupported(peek().line, fmt::format("arguments from a list ({})", peek().text));
    }
    ExpressionPtr value = expression();
    if (value->kind == Kind::kName && take_if(TokenKind::kOperator, "=")) {
      std::string name = value->name;
      node.keywords.emplace_back(std::move(name), expression());
    } else {
      if (!node.keywords.empty()) fail_unexpected();
      node.operands.push_back(std::move(value));
    }
    if (!take_if(TokenKind::kOperator, ",")) break;
  }
  expect(TokenKind::kOperator, ")");
}

ExpressionPtr ExpressionParser::filters_and_tests(ExpressionPtr operand) {
  for (;;) {
    const int line = peek().line;
    if (take_if(TokenKind::kOperator, "|")) {
      Expression filter = start(Kind::kFilter, line, take_name());
      filter.operands.push_back(std::move(operand));
      if (take_if(TokenKind::kOperator, "(")) arguments(filter);
      operand = finish(std::move(filter));
    } else if (take_if(TokenKind::kName, "is")) {
      operand = test(std::move(operand));
    } else {
      return operand;
    }
  }
}

ExpressionPtr ExpressionParser::test(ExpressionPtr operand) {
  const int line = peek().line;
  const bool negated = take_if(TokenKind::kName, "not");
  Expression node = start(Kind::kTest, line, take_name());
  node.operands.push_back(std::move(operand));
  const Token next = peek();
  const bool word = next.kind == TokenKind::kName && next.text != "else" && next.text != "or" &&
                    next.text != "and" && next.text != "is" && next.text != "if" &&
                    next.text != "not" && next.text != "in";
  if (take_if(TokenKind::kOperator, "(")) {
    arguments(node);
  } else if (word || next.kind == TokenKind::kString || next.kind == TokenKind::kInteger ||
             next.kind == TokenKind::kFloat || is_next(TokenKind::kOperator, "[")) {
    node.operands.push_back(postfix(primary()));
  }
  ExpressionPtr result = finish(std::move(node));
  return negated ? make(Kind::kNot, line, "", std::move(result)) : std::move(result);
}

}  // namespace octavo::jinja
