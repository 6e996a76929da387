#include "text/template/ast.h"

#include <algorithm>

#include "text/template/errors.h"

namespace octavo::jinja {

ExpressionPtr finish(Expression&& node) {
  constexpr int kDeepest = 100;
  const auto count = [&node](const ExpressionPtr& part) {
    if (part) node.depth = std::max(node.depth, part->depth + 1);
  };
  for (const ExpressionPtr& operand : node.operands) count(operand);
  for (const auto& [name, value] : node.keywords) count(value);
  if (node.depth > kDeepest) {
    fail_in_line(node.line, "an expression nested more than {} deep", kDeepest);
  }
  return std::make_unique<Expression>(std::move(node));
}

}  // namespace octavo::jinja
