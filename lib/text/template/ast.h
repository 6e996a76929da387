// A template as a tree.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/template/value.h"

namespace octavo::jinja {

enum class ExpressionKind : uint8_t {
  kLiteral,      ///< literal
  kName,         ///< name
  kList,         ///< operands
  kDictionary,   ///< operands: key, value, key, value, ...
  kAttribute,    ///< operands[0].name
  kIndex,        ///< operands[0][operands[1]]
  kSlice,        ///< operands[0][operands[1]:operands[2]:operands[3]], the latter three may be null
  kCall,         ///< name(operands, keywords): a global function
  kMethod,       ///< operands[0].name(operands from 1 on, keywords)
  kFilter,       ///< operands[0] | name(operands from 1 on, keywords)
  kTest,         ///< operands[0] is name(operands from 1 on)
  kNot,          ///< not operands[0]
  kNegative,     ///< - operands[0]
  kAnd,          ///< operands[0] and operands[1]
  kOr,           ///< operands[0] or operands[1]
  kBinary,       ///< operands[0] name operands[1]: + - * / // % ~ == != < <= > >= in
  kConditional,  ///< operands[0] if operands[1] else operands[2], which may be null
};

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct Expression {
  ExpressionKind kind = ExpressionKind::kLiteral;
  int line = 1;
  int depth = 1;  ///< of the tree from here
  std::string name;
  Value literal;
  std::vector<ExpressionPtr> operands;
  std::vector<std::pair<std::string, ExpressionPtr>> keywords;
};

/// Puts a node's parts together. Throws Error(kFormat) when the tree gets too deep, however it was
/// written: the interpreter goes down it on the stack.
ExpressionPtr finish(Expression&& node);
/// The same of a kind and its operands.
template <class... Operands>
ExpressionPtr make(ExpressionKind kind, int line, std::string name, Operands... operands) {
  Expression node;
  node.kind = kind;
  node.line = line;
  node.name = std::move(name);
  (node.operands.push_back(std::move(operands)), ...);
  return finish(std::move(node));
}

enum class StatementKind : uint8_t {
  kText,      ///< text
  kOutput,    ///< {{ expression }}
  kIf,        ///< branches
  kFor,       ///< for names in expression if condition: body, otherwise
  kSet,       ///< set names[0] = expression, or with two names: a namespace's attribute
  kSetBlock,  ///< set names[0]: body
};

struct Statement;
using Statements = std::vector<Statement>;

struct Branch {
  ExpressionPtr condition;  ///< null: else
  Statements body;
};

struct Statement {
  StatementKind kind = StatementKind::kText;
  int line = 1;
  std::string text;
  std::vector<std::string> names;
  ExpressionPtr expression, condition;
  std::vector<Branch> branches;
  Statements body, otherwise;
};

}  // namespace octavo::jinja
