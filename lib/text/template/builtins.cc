#include "text/template/builtins.h"

#include <algorithm>

#include "text/template/errors.h"

namespace octavo::jinja {
namespace {

Value range(const Call& call) {
  call.limit(3);
  int64_t numbers[3] = {0, 0, 1};  // from, to, step
  const size_t count = call.arguments.size();
  for (size_t i = 0; i < count; ++i) {
    if (!call.arguments[i].is_integer()) fail_in_line(call.line, "range of no whole number");
    numbers[count == 1 ? 1 : i] = call.arguments[i].integer();
  }
  const auto [from, to, step] = numbers;
  if (count == 0 || step == 0) fail_in_line(call.line, "range without an end or with the step 0");
  List list;
  for (int64_t i = from; step > 0 ? i < to : i > to;) {
    call.budget.spend_items(1);
    list.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return Value(std::move(list));
}

Value dictionary(const Call& call, bool is_namespace) {
  if (!call.arguments.empty()) {
    fail_unsupported(call.line, fmt::format("'{}' of another value", call.name));
  }
  Dictionary made;
  made.is_namespace = is_namespace;
  for (const auto& [name, value] : call.keywords) made.set(name, value);
  return Value(std::move(made));
}

/// A place in a sequence of `size` items, counted from its end when negative; nothing: none.
const size_t kNowhere = static_cast<size_t>(-1);
size_t place(int64_t index, size_t size) {
  const auto count = static_cast<int64_t>(size);
  if (index >= count || index < -count) return kNowhere;
  return static_cast<size_t>(index < 0 ? index + count : index);
}

}  // namespace

void Budget::spend(size_t work) {
  // A step costs something by itself, so that steps over nothing come to an end too.
  left_ -= static_cast<int64_t>(work) + 1;
  if (left_ < 0) {
    fail(ErrorCode::kUnsupported,
         "the chat template does more work than a conversation needs; the template mistral-v1 "
         "(--template mistral-v1) does without it");
  }
}

const Value* Call::argument(size_t index, std::string_view keyword) const {
  if (index < arguments.size()) return &arguments[index];
  for (const auto& [key, value] : keywords) {
    if (key == keyword) return &value;
  }
  return nullptr;
}

const MarkedText* Call::text_argument(size_t index, std::string_view keyword) const {
  const Value* value = argument(index, keyword);
  if (value == nullptr) return nullptr;
  if (value->text() == nullptr) {
    fail_in_line(line, "'{}' wants a string and gets {}", name, value->kind());
  }
  return value->text();
}

void Call::limit(size_t count, const std::vector<std::string_view>& names) const {
  if (arguments.size() > count) {
    fail_unsupported(line, fmt::format("{} arguments of '{}'", arguments.size(), printable(name)));
  }
  for (const auto& [key, value] : keywords) {
    if (std::find(names.begin(), names.end(), key) != names.end()) continue;
    fail_unsupported(line, fmt::format("the argument {} of '{}'", printable(key), printable(name)));
  }
}

Value call_function(const Call& call) {
  if (call.name == "raise_exception") {
    call.limit(1, {"message"});
    const MarkedText* message = call.text_argument(0, "message");
    fail(ErrorCode::kInvalidArgument, "the chat template refuses this conversation: {}",
         message != nullptr ? printable(message->bytes) : "it does not say why");
  }
  if (call.name == "range") return range(call);
  if (call.name == "namespace") return dictionary(call, true);
  if (call.name == "dict") return dictionary(call, false);
  fail_unsupported(call.line, fmt::format("the function '{}'", printable(call.name)));
}

Value entry_of(const Value& object, const Value& key, int line) {
  if (const Dictionary* dictionary = object.dictionary()) {
    const Value* found = key.text() != nullptr ? dictionary->find(key.text()->bytes) : nullptr;
    return found != nullptr ? *found : Value();
  }
  if (key.is_integer() && object.list() != nullptr) {
    const size_t index = place(key.integer(), object.list()->size());
    return index == kNowhere ? Value() : (*object.list())[index];
  }
  if (key.is_integer() && object.text() != nullptr) {
    const std::vector<size_t> starts = character_starts(object.text()->bytes);
    const size_t index = place(key.integer(), starts.size() - 1);
    if (index == kNowhere) return {};
    return Value(object.text()->substr(starts[index], starts[index + 1] - starts[index]));
  }
  if (object.is_undefined()) {
    const std::string name = key.text() != nullptr ? printable(key.text()->bytes) : "an entry";
    fail_in_line(line, "'{}' of an undefined value", name);
  }
  return {};
}

List items_of(const Value& value, Budget& budget, int line) {
  if (value.list() != nullptr) {
    budget.spend_items(value.list()->size());
    return *value.list();
  }
  List items;
  if (const Dictionary* dictionary = value.dictionary()) {
    budget.spend_items(dictionary->entries.size());
    for (const auto& [key, entry] : dictionary->entries) items.emplace_back(std::string_view(key));
  } else if (const MarkedText* text = value.text()) {
    budget.spend_items(4 * text->size());  // each character becomes a string
    const std::vector<size_t> starts = character_starts(text->bytes);
    for (size_t i = 0; i + 1 < starts.size(); ++i) {
      items.emplace_back(text->substr(starts[i], starts[i + 1] - starts[i]));
    }
  } else if (!value.is_undefined()) {
    fail_in_line(line, "a loop over {}", value.kind());
  }
  return items;
}

bool contains(const Value& container, const Value& item, int line) {
  if (const List* list = container.list()) {
    return std::any_of(list->begin(), list->end(),
                       [&item](const Value& other) { return equal(item, other); });
  }
  const MarkedText* wanted = item.text();
  if (const Dictionary* dictionary = container.dictionary()) {
    return wanted != nullptr && dictionary->find(wanted->bytes) != nullptr;
  }
  if (container.is_undefined()) return false;
  if (container.text() == nullptr || wanted == nullptr) {
    fail_in_line(line, "'in' between {} and {}", item.kind(), container.kind());
  }
  return container.text()->bytes.find(wanted->bytes) != std::string::npos;
}

}  // namespace octavo::jinja
