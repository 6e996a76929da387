#include "text/template/parser.h"

#include "text/template/errors.h"
#include "text/template/expression_parser.h"

namespace octavo::jinja {
namespace {

constexpr int kDeepest = 50;  // blocks inside blocks

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(tokenize_template(source)) {}

  Statements run() {
    Statements all = statements();
    if (tokens_.peek().kind != TokenKind::kEnd) tokens_.fail_unexpected();
    return all;
  }

 private:
  /// Up to a block that belongs to the one around (its name is the next token), or the end.
  Statements statements() {
    if (++depth_ > kDeepest) {
      fail_in_line(tokens_.peek().line, "blocks nested more than {} deep", kDeepest);
    }
    Statements list;
    for (;;) {
      const Token token = tokens_.peek();
      if (token.kind == TokenKind::kText) {
        list.push_back(start(StatementKind::kText));
        list.back().text = tokens_.take().text;
      } else if (token.kind == TokenKind::kBeginOutput) {
        list.push_back(output());
      } else if (token.kind == TokenKind::kBeginBlock) {
        tokens_.take();
        if (is_end(tokens_.peek().text)) break;
        list.push_back(block());
      } else {
        break;
      }
    }
    --depth_;
    return list;
  }

  static bool is_end(std::string_view name) {
    return name == "else" || name == "elif" || name.starts_with("end");
  }

  Statement start(StatementKind kind) const {
    Statement statement;
    statement.kind = kind;
    statement.line = tokens_.peek().line;
    return statement;
  }

  void end_block() { tokens_.expect(TokenKind::kEndBlock, ""); }
  void end_block(std::string_view name) {
    tokens_.expect(TokenKind::kName, name);
    end_block();
  }

  Statement output() {
    Statement statement = start(StatementKind::kOutput);
    tokens_.take();
    statement.expression = tokens_.expression();
    tokens_.expect(TokenKind::kEndOutput, "");
    return statement;
  }

  Statement block() {
    const int line = tokens_.peek().line;
    const std::string name = tokens_.take_name();
    if (name == "if") return if_block();
    if (name == "for") return for_block();
    if (name == "set") return set_block();
    fail_unsupported(line, fmt::format("the statement '{}'", printable(name)));
  }

  Statement if_block() {
    Statement statement = start(StatementKind::kIf);
    ExpressionPtr condition = tokens_.expression();
    end_block();
    statement.branches.push_back({std::move(condition), statements()});
    while (tokens_.take_if(TokenKind::kName, "elif")) {
      condition = tokens_.expression();
      end_block();
      statement.branches.push_back({std::move(condition), statements()});
    }
    if (tokens_.take_if(TokenKind::kName, "else")) {
      end_block();
      statement.branches.push_back({nullptr, statements()});
    }
    end_block("endif");
    return statement;
  }

  Statement for_block() {
    Statement statement = start(StatementKind::kFor);
    do {
      statement.names.push_back(tokens_.take_name());
    } while (tokens_.take_if(TokenKind::kOperator, ","));
    tokens_.expect(TokenKind::kName, "in");
    statement.expression = tokens_.or_expression();
    if (tokens_.take_if(TokenKind::kName, "if")) statement.condition = tokens_.expression();
    if (tokens_.is_next(TokenKind::kName, "recursive")) {
      fail_unsupported(tokens_.peek().line, "a recursive loop");
    }
    end_block();
    statement.body = statements();
    if (tokens_.take_if(TokenKind::kName, "else")) {
      end_block();
      statement.otherwise = statements();
    }
    end_block("endfor");
    return statement;
  }

  Statement set_block() {
    Statement statement = start(StatementKind::kSet);
    statement.names.push_back(tokens_.take_name());
    if (tokens_.take_if(TokenKind::kOperator, ".")) statement.names.push_back(tokens_.take_name());
    if (tokens_.is_next(TokenKind::kOperator, ",")) {
      fail_unsupported(statement.line, "a set of several names");
    }
    if (tokens_.take_if(TokenKind::kOperator, "=")) {
      statement.expression = tokens_.expression();
      end_block();
      return statement;
    }
    if (statement.names.size() > 1 || tokens_.is_next(TokenKind::kOperator, "|")) {
      fail_unsupported(statement.line, "a set block with a filter or an attribute");
    }
    statement.kind = StatementKind::kSetBlock;
    end_block();
    statement.body = statements();
    end_block("endset");
    return statement;
  }

  ExpressionParser tokens_;
  int depth_ = 0;
};

}  // namespace

Statements parse_template(std::string_view source) { return Parser(source).run(); }

}  // namespace octavo::jinja
