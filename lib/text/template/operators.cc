#include "text/template/operators.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "text/template/errors.h"

namespace octavo::jinja {
namespace {

[[noreturn]] void fail_operands(std::string_view name, const Value& left, const Value& right,
                                int line) {
  fail_in_line(line, "'{}' between {} and {}", name, left.kind(), right.kind());
}

/// Division and remainder round down, as Python's; nothing where the result is no int64.
std::optional<int64_t> whole(std::string_view name, int64_t a, int64_t b) {
  int64_t result = 0;
  if (name == "+" && !__builtin_add_overflow(a, b, &result)) return result;
  if (name == "-" && !__builtin_sub_overflow(a, b, &result)) return result;
  if (name == "*" && !__builtin_mul_overflow(a, b, &result)) return result;
  if (name != "//" && name != "%") return {};
  if (b == -1) return name == "%" ? 0 : whole("-", 0, a);
  const int64_t remainder = a % b;
  const bool down = remainder != 0 && (remainder < 0) != (b < 0);
  return name == "//" ? a / b - (down ? 1 : 0) : remainder + (down ? b : 0);
}

double fractional(std::string_view name, double a, double b) {
  if (name == "+") return a + b;
  if (name == "-") return a - b;
  if (name == "*") return a * b;
  if (name == "/") return a / b;
  if (name == "//") return std::floor(a / b);
  return a - b * std::floor(a / b);
}

Value arithmetic(std::string_view name, const Value& left, const Value& right, int line) {
  if (!left.is_number() || !right.is_number()) fail_operands(name, left, right, line);
  const bool divides = name == "/" || name == "//" || name == "%";
  if (divides && right.number() == 0) fail_in_line(line, "a division by zero");
  if (name == "/" || !left.is_integer() || !right.is_integer()) {
    return Value(fractional(name, left.number(), right.number()));
  }
  const std::optional<int64_t> result = whole(name, left.integer(), right.integer());
  if (!result) fail_in_line(line, "'{}' gives a number that is too large", name);
  return Value(*result);
}

Value joined(MarkedText left, const MarkedText& right, Budget& budget) {
  budget.spend(left.size() + right.size());
  left.append(right);
  return Value(std::move(left));
}

Value plus(const Value& left, const Value& right, int line, Budget& budget) {
  if (left.text() != nullptr && right.text() != nullptr) {
    return joined(*left.text(), *right.text(), budget);
  }
  if (left.list() != nullptr && right.list() != nullptr) {
    List all = *left.list();
    budget.spend_items(all.size() + right.list()->size());
    all.insert(all.end(), right.list()->begin(), right.list()->end());
    return Value(std::move(all));
  }
  return arithmetic("+", left, right, line);
}

bool less(const Value& left, const Value& right, std::string_view name, int line) {
  if (left.is_number() && right.is_number()) return left.number() < right.number();
  if (left.text() == nullptr || right.text() == nullptr) fail_operands(name, left, right, line);
  return left.text()->bytes < right.text()->bytes;  // UTF-8 sorts as its characters do
}

int64_t bound(const Value& value, int64_t absent, int line) {
  if (value.is_undefined() || value.is_none()) return absent;
  if (!value.is_integer()) fail_in_line(line, "a slice by {}", value.kind());
  return value.integer();
}

/// Python's rule for a negative or too large end of a slice over `size` items.
int64_t clamp(int64_t value, int64_t size, int64_t least, int64_t most) {
  if (value < 0) value += size;
  return std::clamp(value, least, most);
}

/// Which of `size` items a slice takes, in its order.
std::vector<size_t> taken(int64_t size, const Value& first, const Value& last, const Value& step,
                          int line) {
  const int64_t stride = bound(step, 1, line);
  if (stride == 0) fail_in_line(line, "a slice with the step 0");
  std::vector<size_t> result;
  if (stride > 0) {
    const int64_t end = clamp(bound(last, size, line), size, 0, size);
    const int64_t begin = clamp(bound(first, 0, line), size, 0, size);
    for (int64_t i = begin; i < end; i += std::min(stride, size)) {
      result.push_back(static_cast<size_t>(i));
    }
    return result;
  }
  const bool to_begin = last.is_undefined() || last.is_none();
  const int64_t end = to_begin ? -1 : clamp(bound(last, 0, line), size, -1, size - 1);
  const int64_t begin = clamp(bound(first, size - 1, line), size, -1, size - 1);
  for (int64_t i = begin; i > end; i += std::max(stride, -size)) {
    result.push_back(static_cast<size_t>(i));
  }
  return result;
}

}  // namespace

Value apply_operator(std::string_view name, const Value& left, const Value& right, int line,
                     Budget& budget) {
  budget.spend(std::min(left.weight(), right.weight()));
  if (name == "==") return Value(equal(left, right));
  if (name == "!=") return Value(!equal(left, right));
  if (name == "in") budget.spend(right.weight());
  if (name == "in") return Value(contains(right, left, line));
  if (name == "<") return Value(less(left, right, name, line));
  if (name == ">") return Value(less(right, left, name, line));
  if (name == "<=") return Value(less(left, right, name, line) || equal(left, right));
  if (name == ">=") return Value(less(right, left, name, line) || equal(left, right));
  if (name == "~") return joined(left.printed(), right.printed(), budget);
  if (name == "+") return plus(left, right, line, budget);
  if (name == "%" && left.text() != nullptr) fail_unsupported(line, "formatting by '%'");
  if (name == "*" && (left.text() != nullptr || right.text() != nullptr)) {
    fail_unsupported(line, "repetition of a string");
  }
  return arithmetic(name, left, right, line);
}

Value negative(const Value& value, int line) {
  if (!value.is_number()) fail_in_line(line, "'-' before {}", value.kind());
  return value.is_integer() ? arithmetic("-", Value(int64_t{0}), value, line)
                            : Value(-value.number());
}

Value slice(const Value& sequence, const Value& first, const Value& last, const Value& step,
            int line, Budget& budget) {
  if (const List* list = sequence.list()) {
    budget.spend_items(list->size());
    List part;
    for (const size_t i : taken(static_cast<int64_t>(list->size()), first, last, step, line)) {
      part.push_back((*list)[i]);
    }
    return Value(std::move(part));
  }
  const MarkedText* text = sequence.text();
  if (text == nullptr) fail_in_line(line, "a slice of {}", sequence.kind());
  budget.spend(text->size());
  const std::vector<size_t> starts = character_starts(text->bytes);
  MarkedText part;
  for (const size_t i : taken(static_cast<int64_t>(starts.size()) - 1, first, last, step, line)) {
    part.append(text->substr(starts[i], starts[i + 1] - starts[i]));
  }
  return Value(std::move(part));
}

}  // namespace octavo::jinja
