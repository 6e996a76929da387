#include "text/template/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace octavo::jinja {
namespace {

constexpr int kDeepest = 50;  // a chat's values are three deep
constexpr size_t kHeaviest = 1 << 26;
constexpr size_t kMostEntries = 200;  // of a dictionary, which is searched from its begin

// A namespace can be changed later, so inside something it could come to contain itself.
void refuse_namespace(const Value& inner) {
  if (inner.name_space() == nullptr) return;
  fail(ErrorCode::kUnsupported, "the chat template puts a namespace inside another value");
}

std::string number_text(double number) {
  std::string text = fmt::format("{}", number);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

void append_json(MarkedText& out, const MarkedText& text) {
  out.append("\"", Origin::kTemplate);
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text.bytes[i];
    const std::string_view special = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";
    const size_t at = special.find(c);
    if (at != special.npos) {
      out.append(std::string{'\\', letters[at]}, text.origin(i));
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out.append(fmt::format("\\u{:04x}", c), text.origin(i));
    } else {
      out.append(std::string_view(&c, 1), text.origin(i));
    }
  }
  out.append("\"", Origin::kTemplate);
}

void append_json(MarkedText& out, const Value& value) {
  const auto add = [&out](std::string_view text) { out.append(text, Origin::kTemplate); };
  if (const MarkedText* text = value.text()) {
    append_json(out, *text);
  } else if (const List* list = value.list()) {
    add("[");
    for (size_t i = 0; i < list->size(); ++i) {
      if (i > 0) add(", ");
      append_json(out, (*list)[i]);
    }
    add("]");
  } else if (const Dictionary* dictionary = value.dictionary();
             dictionary != nullptr && !dictionary->is_namespace) {
    add("{");
    for (size_t i = 0; i < dictionary->entries.size(); ++i) {
      if (i > 0) add(", ");
      append_json(out, MarkedText(dictionary->entries[i].first));
      add(": ");
      append_json(out, dictionary->entries[i].second);
    }
    add("}");
  } else if (value.is_none()) {
    add("null");
  } else if (value.is_bool()) {
    add(value.truth() ? "true" : "false");
  } else if (value.is_number()) {
    out.append(value.printed());
  } else {
    fail(ErrorCode::kUnsupported, "the chat template writes {} as JSON", value.kind());
  }
}

}  // namespace

const Value* Dictionary::find(std::string_view key) const {
  for (const auto& [name, value] : entries) {
    if (name == key) return &value;
  }
  return nullptr;
}

void Dictionary::set(const std::string& key, Value value) {
  refuse_namespace(value);
  for (auto& [name, old] : entries) {
    if (name != key) continue;
    old = std::move(value);
    return;
  }
  if (entries.size() == kMostEntries) {
    fail(ErrorCode::kUnsupported, "the chat template makes a mapping of more than {} entries",
         kMostEntries);
  }
  entries.emplace_back(key, std::move(value));
}

void Value::contain(const Value& inner) {
  refuse_namespace(inner);
  depth_ = std::max(depth_, inner.depth_ + 1);
  weight_ += inner.weight_;
  if (depth_ > kDeepest || weight_ > kHeaviest) {
    fail(ErrorCode::kUnsupported, "the chat template makes a list too deep or too large");
  }
}

Value::Value(List list) {
  for (const Value& item : list) contain(item);
  data_ = std::make_shared<const List>(std::move(list));
}

Value::Value(Dictionary dictionary) {
  for (const auto& [key, value] : dictionary.entries) contain(value);
  data_ = std::make_shared<Dictionary>(std::move(dictionary));
}

double Value::number() const {
  return is_integer() ? static_cast<double>(integer()) : std::get<double>(data_);
}

const MarkedText* Value::text() const {
  const auto* text = std::get_if<std::shared_ptr<const MarkedText>>(&data_);
  return text != nullptr ? text->get() : nullptr;
}

const List* Value::list() const {
  const auto* list = std::get_if<std::shared_ptr<const List>>(&data_);
  return list != nullptr ? list->get() : nullptr;
}

const Dictionary* Value::dictionary() const {
  const auto* dictionary = std::get_if<std::shared_ptr<Dictionary>>(&data_);
  return dictionary != nullptr ? dictionary->get() : nullptr;
}

Dictionary* Value::name_space() const {
  const auto* dictionary = std::get_if<std::shared_ptr<Dictionary>>(&data_);
  return dictionary != nullptr && (*dictionary)->is_namespace ? dictionary->get() : nullptr;
}

bool Value::truth() const {
  if (is_undefined() || is_none()) return false;
  if (is_bool()) return std::get<bool>(data_);
  if (is_number()) return number() != 0;
  if (text() != nullptr) return text()->size() > 0;
  if (list() != nullptr) return !list()->empty();
  return dictionary()->is_namespace || !dictionary()->entries.empty();
}

const char* Value::kind() const {
  constexpr const char* kNames[] = {"an undefined value", "none",     "a truth value", "a number",
                                    "a number",           "a string", "a list",        "a mapping"};
  return kNames[data_.index()];
}

MarkedText Value::printed() const {
  if (is_undefined()) return {};
  if (text() != nullptr) return *text();
  if (is_none()) return MarkedText("None");
  if (is_bool()) return MarkedText(truth() ? "True" : "False");
  if (is_integer()) return MarkedText(std::to_string(integer()));
  if (is_number()) return MarkedText(number_text(number()));
  fail(ErrorCode::kUnsupported, "the chat template prints {}", kind());
}

bool equal(const Value& a, const Value& b) {
  const auto is_numeric = [](const Value& v) { return v.is_number() || v.is_bool(); };
  if (is_numeric(a) && is_numeric(b)) {  // as in Python, True is 1
    if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
    const auto number = [](const Value& v) { return v.is_bool() ? v.truth() : v.number(); };
    return static_cast<double>(number(a)) == static_cast<double>(number(b));
  }
  if (a.text() != nullptr && b.text() != nullptr) return a.text()->bytes == b.text()->bytes;
  if (a.list() != nullptr && b.list() != nullptr) {
    return std::equal(a.list()->begin(), a.list()->end(), b.list()->begin(), b.list()->end(),
                      equal);
  }
  if (a.name_space() != nullptr || b.name_space() != nullptr) {
    return a.name_space() == b.name_space();
  }
  if (a.dictionary() != nullptr && b.dictionary() != nullptr) {
    const Entries &left = a.dictionary()->entries, &right = b.dictionary()->entries;
    return left.size() == right.size() &&
           std::all_of(left.begin(), left.end(), [&b](const auto& entry) {
             const Value* other = b.dictionary()->find(entry.first);
             return other != nullptr && equal(entry.second, *other);
           });
  }
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

MarkedText to_json(const Value& value) {
  MarkedText out;
  append_json(out, value);
  return out;
}

}  // namespace octavo::jinja
