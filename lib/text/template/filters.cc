#include <algorithm>
#include <functional>

#include "text/template/builtins.h"
#include "text/template/errors.h"

namespace octavo::jinja {
namespace {

const MarkedText& text_of(const Value& input, const Call& call) {
  if (input.text() == nullptr) {
    fail_in_line(call.line, "'{}' of {}", printable(call.name), input.kind());
  }
  return *input.text();
}

/// An item's attribute by a path "a.b"; `path` undefined: the item itself.
Value attribute_of(Value item, const Value& path, int line) {
  if (path.text() == nullptr) return path.is_undefined() ? item : entry_of(item, path, line);
  for (const MarkedText& name : split(*path.text(), ".", std::string::npos)) {
    item = entry_of(item, Value(name), line);
  }
  return item;
}

/// selectattr, rejectattr, select and reject: the items for which a test (default: truth) holds.
Value select(const Value& input, const Call& call, bool by_attribute, bool wanted) {
  call.limit(by_attribute ? 3 : 2);
  const size_t test = by_attribute ? 1 : 0;
  const Value path = by_attribute && !call.arguments.empty() ? call.arguments[0] : Value();
  if (by_attribute && path.text() == nullptr) fail_in_line(call.line, "a selection by no name");
  const MarkedText* name = call.text_argument(test, "");
  List chosen;
  for (const Value& item : items_of(input, call.budget, call.line)) {
    const Value value = attribute_of(item, path, call.line);
    bool holds = value.truth();
    if (name != nullptr) {
      Call inner{name->bytes, call.line, {}, {}, call.budget};
      if (call.arguments.size() > test + 1) inner.arguments.push_back(call.arguments[test + 1]);
      holds = apply_test(value, inner);
    }
    if (holds == wanted) chosen.push_back(item);
  }
  return Value(std::move(chosen));
}

Value map(const Value& input, const Call& call) {
  call.limit(1, {"attribute"});
  const Value* attribute = call.arguments.empty() ? call.argument(1, "attribute") : nullptr;
  const MarkedText* filter = call.text_argument(0, "");
  if ((attribute == nullptr) == (filter == nullptr)) {
    fail_in_line(call.line, "'map' wants a filter or an attribute");
  }
  List mapped;
  for (const Value& item : items_of(input, call.budget, call.line)) {
    if (attribute != nullptr) {
      mapped.push_back(attribute_of(item, *attribute, call.line));
    } else {
      if (filter->bytes == "map") fail_unsupported(call.line, "'map' of 'map'");
      mapped.push_back(apply_filter(item, {filter->bytes, call.line, {}, {}, call.budget}));
    }
  }
  return Value(std::move(mapped));
}

Value join(const Value& input, const Call& call) {
  call.limit(2, {"d", "attribute"});
  const MarkedText* between = call.text_argument(0, "d");
  const Value* attribute = call.argument(1, "attribute");
  MarkedText all;
  bool first = true;
  for (const Value& item : items_of(input, call.budget, call.line)) {
    if (!first && between != nullptr) all.append(*between);
    all.append(
        attribute_of(item, attribute != nullptr ? *attribute : Value(), call.line).printed());
    first = false;
    call.budget.spend(between != nullptr ? between->size() : 0);
  }
  call.budget.spend(all.size());
  return Value(std::move(all));
}

Value length(const Value& input, const Call& call) {
  call.limit(0);
  if (input.text() != nullptr) {
    return Value(static_cast<int64_t>(character_starts(input.text()->bytes).size()) - 1);
  }
  if (input.list() == nullptr && input.dictionary() == nullptr && !input.is_undefined()) {
    fail_in_line(call.line, "the length of {}", input.kind());
  }
  return Value(static_cast<int64_t>(items_of(input, call.budget, call.line).size()));
}

Value end_item(const Value& input, const Call& call, bool last) {
  call.limit(0);
  List items = items_of(input, call.budget, call.line);
  if (items.empty()) return {};
  return last ? items.back() : items.front();
}

Value default_value(const Value& input, const Call& call) {
  call.limit(2, {"default_value", "boolean"});
  const Value* boolean = call.argument(1, "boolean");
  const bool by_truth = boolean != nullptr && boolean->truth();
  if (!input.is_undefined() && (!by_truth || input.truth())) return input;
  const Value* other = call.argument(0, "default_value");
  return other != nullptr ? *other : Value("");
}

Value whole(const Value& input, const Call& call) {
  call.limit(0);
  if (input.is_integer()) return input;
  if (input.is_bool()) return Value(static_cast<int64_t>(input.truth() ? 1 : 0));
  fail_unsupported(call.line, fmt::format("'int' of {}", input.kind()));
}

Value json(const Value& input, const Call& call) {
  call.limit(0, {"ensure_ascii"});
  const Value* ascii = call.argument(0, "ensure_ascii");
  if (ascii != nullptr && ascii->truth()) fail_unsupported(call.line, "'tojson' in ASCII");
  call.budget.spend(input.weight());
  return Value(to_json(input));
}

size_t binary_weight(const Value& input, const Call& call) {
  return call.arguments.empty() ? 0 : input.weight() + call.arguments[0].weight();
}

}  // namespace

Value apply_filter(const Value& input, const Call& call) {
  const std::string_view name = call.name;
  call.budget.spend(input.text() != nullptr ? input.text()->size() : 0);
  if (name == "trim") {
    call.limit(1, {"chars"});
    const MarkedText* characters = call.text_argument(0, "chars");
    return Value(
        strip(input.printed(), characters != nullptr ? characters->bytes : "", true, true));
  }
  if (name == "upper" || name == "lower" || name == "title" || name == "capitalize" ||
      name == "replace") {
    return call_method(Value(text_of(input, call)), call);
  }
  if (name == "length" || name == "count") return length(input, call);
  if (name == "tojson") return json(input, call);
  if (name == "default" || name == "d") return default_value(input, call);
  if (name == "join") return join(input, call);
  if (name == "first" || name == "last") return end_item(input, call, name == "last");
  if (name == "map") return map(input, call);
  if (name == "selectattr" || name == "rejectattr") {
    return select(input, call, true, name == "selectattr");
  }
  if (name == "select" || name == "reject") return select(input, call, false, name == "select");
  if (name == "items") return call_method(input, call);
  if (name == "int") return whole(input, call);
  if (name == "list" || name == "string" || name == "safe") {
    call.limit(0);
    if (name == "list") return Value(items_of(input, call.budget, call.line));
    return name == "safe" ? input : Value(input.printed());
  }
  fail_unsupported(call.line, fmt::format("the filter '{}'", printable(name)));
}

bool apply_test(const Value& input, const Call& call) {
  const std::string_view name = call.name;
  call.budget.spend(binary_weight(input, call));
  const bool binary =
      name == "equalto" || name == "eq" || name == "ne" || name == "in" || name == "divisibleby";
  if (binary) {
    call.limit(1);
    if (call.arguments.empty()) fail_in_line(call.line, "'is {}' of nothing", name);
    const Value& other = call.arguments[0];
    if (name == "in") return contains(other, input, call.line);
    if (name == "ne") return !equal(input, other);
    if (name != "divisibleby") return equal(input, other);
    if (!input.is_integer() || !other.is_integer() || other.integer() == 0) {
      fail_in_line(call.line, "'is divisibleby' of no whole numbers");
    }
    return other.integer() == -1 || input.integer() % other.integer() == 0;
  }
  if (name == "defined") return !input.is_undefined();
  if (name == "undefined") return input.is_undefined();
  if (name == "none") return input.is_none();
  if (name == "string") return input.text() != nullptr;
  if (name == "number") return input.is_number() || input.is_bool();
  if (name == "integer") return input.is_integer();
  if (name == "float") return input.is_number() && !input.is_integer();
  if (name == "boolean") return input.is_bool();
  if (name == "true") return input.is_bool() && input.truth();
  if (name == "false") return input.is_bool() && !input.truth();
  if (name == "mapping") return input.dictionary() != nullptr;
  if (name == "iterable" || name == "sequence") {
    return input.text() != nullptr || input.list() != nullptr || input.dictionary() != nullptr ||
           input.is_undefined();
  }
  if (name == "odd" || name == "even") {
    if (!input.is_integer()) fail_in_line(call.line, "'is {}' of {}", name, input.kind());
    return (input.integer() % 2 != 0) == (name == "odd");
  }
  fail_unsupported(call.line, fmt::format("the test '{}'", printable(name)));
}

}  // namespace octavo::jinja
