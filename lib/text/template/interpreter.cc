#include "text/template/interpreter.h"

#include <utility>

#include "text/template/builtins.h"
#include "text/template/errors.h"
#include "text/template/operators.h"
#include "text/template/parser.h"

namespace octavo::jinja {
namespace {

using Scope = std::vector<std::pair<std::string, Value>>;

/// The `loop` of the item at `index`.
Value loop_variable(const List& items, size_t index) {
  const auto number = [](size_t value) { return Value(static_cast<int64_t>(value)); };
  const size_t count = items.size();
  Dictionary loop;
  loop.entries = {{"index", number(index + 1)},
                  {"index0", number(index)},
                  {"revindex", number(count - index)},
                  {"revindex0", number(count - index - 1)},
                  {"first", Value(index == 0)},
                  {"last", Value(index + 1 == count)},
                  {"length", number(count)}};
  if (index > 0) loop.entries.emplace_back("previtem", items[index - 1]);
  if (index + 1 < count) loop.entries.emplace_back("nextitem", items[index + 1]);
  return Value(std::move(loop));
}

class Interpreter {
 public:
  Interpreter(Scope variables, const RenderLimits& limits)
      : budget_(limits.work), largest_(limits.output), scopes_{std::move(variables)} {}

  MarkedText render(const Statements& statements) {
    run(statements);
    return std::move(output_);
  }

 private:
  void run(const Statements& statements) {
    for (const Statement& statement : statements) run(statement);
  }

  void run(const Statement& statement) {
    budget_.spend(0);
    switch (statement.kind) {
      case StatementKind::kText:
        return write(MarkedText(statement.text));
      case StatementKind::kOutput:
        return write(evaluate(*statement.expression).printed());
      case StatementKind::kIf:
        return run_if(statement);
      case StatementKind::kFor:
        return run_for(statement);
      case StatementKind::kSet:
        return assign(statement, evaluate(*statement.expression));
      case StatementKind::kSetBlock:
        return run_set_block(statement);
    }
  }

  void write(const MarkedText& text) {
    budget_.spend(text.size());
    if (text.size() > largest_ - output_.size()) {
      fail(ErrorCode::kUnsupported, "the chat template writes more than {} bytes", largest_);
    }
    output_.append(text);
  }

  void run_if(const Statement& statement) {
    for (const Branch& branch : statement.branches) {
      if (branch.condition && !evaluate(*branch.condition).truth()) continue;
      return run(branch.body);
    }
  }

  /// Defines the loop's names for one item.
  void bind(const Statement& statement, const Value& item) {
    if (statement.names.size() == 1) return define(statement.names[0], item);
    const List parts = items_of(item, budget_, statement.line);
    if (parts.size() != statement.names.size()) {
      fail_in_line(statement.line, "{} names for {} values", statement.names.size(), parts.size());
    }
    for (size_t i = 0; i < parts.size(); ++i) define(statement.names[i], parts[i]);
  }

  void run_for(const Statement& statement) {
    List items = items_of(evaluate(*statement.expression), budget_, statement.line);
    if (statement.condition) {
      List chosen;
      for (const Value& item : items) {
        scopes_.emplace_back();
        bind(statement, item);
        if (evaluate(*statement.condition).truth()) chosen.push_back(item);
        scopes_.pop_back();
      }
      items = std::move(chosen);
    }
    for (size_t i = 0; i < items.size(); ++i) {
      budget_.spend(0);
      scopes_.emplace_back();  // what a pass sets is gone in the next
      bind(statement, items[i]);
      define("loop", loop_variable(items, i));
      run(statement.body);
      scopes_.pop_back();
    }
    if (items.empty()) run(statement.otherwise);
  }

  void run_set_block(const Statement& statement) {
    MarkedText outer = std::exchange(output_, {});
    run(statement.body);
    Value value(std::exchange(output_, std::move(outer)));
    assign(statement, std::move(value));
  }

  void assign(const Statement& statement, Value value) {
    if (statement.names.size() == 1) return define(statement.names[0], std::move(value));
    Dictionary* space = look_up(statement.names[0]).name_space();
    if (space == nullptr) {
      fail_in_line(statement.line, "{} is no namespace, so its attributes cannot be set",
                   printable(statement.names[0]));
    }
    budget_.spend(space->entries.size());
    space->set(statement.names[1], std::move(value));
  }

  void define(const std::string& name, Value value) {
    for (auto& [other, old] : scopes_.back()) {
      if (other != name) continue;
      old = std::move(value);
      return;
    }
    scopes_.back().emplace_back(name, std::move(value));
  }

  Value look_up(std::string_view name) {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      budget_.spend(scope->size());
      for (const auto& [other, value] : *scope) {
        if (other == name) return value;
      }
    }
    return {};
  }

  Value evaluate_or_nothing(const ExpressionPtr& expression) {
    return expression ? evaluate(*expression) : Value();
  }

  Value evaluate(const Expression& node) {
    budget_.spend(0);
    const auto operand = [&](size_t index) { return evaluate(*node.operands[index]); };
    switch (node.kind) {
      case ExpressionKind::kLiteral:
        return node.literal;
      case ExpressionKind::kName:
        return look_up(node.name);
      case ExpressionKind::kList:
        return list(node);
      case ExpressionKind::kDictionary:
        return dictionary(node);
      case ExpressionKind::kAttribute:
        return entry_of(operand(0), Value(std::string_view(node.name)), node.line);
      case ExpressionKind::kIndex:
        return entry(node);
      case ExpressionKind::kNot:
        return Value(!operand(0).truth());
      case ExpressionKind::kNegative:
        return negative(operand(0), node.line);
      case ExpressionKind::kAnd:
      case ExpressionKind::kOr: {
        Value left = operand(0);
        return left.truth() == (node.kind == ExpressionKind::kAnd) ? operand(1) : left;
      }
      case ExpressionKind::kBinary: {
        const Value left = operand(0);
        return apply_operator(node.name, left, operand(1), node.line, budget_);
      }
      case ExpressionKind::kConditional:
        return operand(1).truth() ? operand(0) : evaluate_or_nothing(node.operands[2]);
      case ExpressionKind::kSlice:
        return part(node);
      case ExpressionKind::kCall:
        return call_function(call(node, 0));
      case ExpressionKind::kMethod: {
        const Value object = operand(0);
        return call_method(object, call(node, 1));
      }
      case ExpressionKind::kFilter: {
        const Value input = operand(0);
        return apply_filter(input, call(node, 1));
      }
      case ExpressionKind::kTest: {
        const Value input = operand(0);
        return Value(apply_test(input, call(node, 1)));
      }
    }
    return {};
  }

  Value entry(const Expression& node) {
    const Value object = evaluate(*node.operands[0]);
    if (object.text() != nullptr) budget_.spend(object.text()->size());
    return entry_of(object, evaluate(*node.operands[1]), node.line);
  }

  Value part(const Expression& node) {
    const Value sequence = evaluate(*node.operands[0]);
    const Value first = evaluate_or_nothing(node.operands[1]);
    const Value last = evaluate_or_nothing(node.operands[2]);
    const Value step = evaluate_or_nothing(node.operands[3]);
    return slice(sequence, first, last, step, node.line, budget_);
  }

  Value list(const Expression& node) {
    List items;
    for (const ExpressionPtr& operand : node.operands) items.push_back(evaluate(*operand));
    return Value(std::move(items));
  }

  Value dictionary(const Expression& node) {
    Dictionary made;
    for (size_t i = 0; i < node.operands.size(); i += 2) {
      const Value key = evaluate(*node.operands[i]);
      if (key.text() == nullptr) fail_unsupported(node.line, "a mapping's key that is no string");
      made.set(key.text()->bytes, evaluate(*node.operands[i + 1]));
    }
    return Value(std::move(made));
  }

  /// The call's arguments from operand `first` on.
  Call call(const Expression& node, size_t first) {
    Call call{node.name, node.line, {}, {}, budget_};
    for (size_t i = first; i < node.operands.size(); ++i) {
      call.arguments.push_back(evaluate(*node.operands[i]));
    }
    for (const auto& [name, value] : node.keywords)
      call.keywords.emplace_back(name, evaluate(*value));
    return call;
  }

  Budget budget_;
  const size_t largest_;
  std::vector<Scope> scopes_;
  MarkedText output_;
};

}  // namespace

MarkedText render_template(std::string_view source,
                           std::vector<std::pair<std::string, Value>> variables,
                           const RenderLimits& limits) {
  const Statements statements = parse_template(source);
  return Interpreter(std::move(variables), limits).render(statements);
}

}  // namespace octavo::jinja
