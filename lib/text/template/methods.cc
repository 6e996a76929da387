#include <algorithm>

#include "text/template/builtins.h"
#include "text/template/errors.h"

namespace octavo::jinja {
namespace {

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// upper, lower, capitalize (the first letter large) and title (each word's).
Value changed_case(MarkedText text, const Call& call) {
  call.limit(0);
  bool at_start = true;
  for (char& c : text.bytes) {
    if (static_cast<unsigned char>(c) >= 0x80) {
      fail_unsupported(call.line, fmt::format("'{}' of letters outside ASCII", call.name));
    }
    const bool large = call.name == "upper" || (call.name != "lower" && at_start);
    at_start = call.name == "title" && !is_ascii_letter(c);
    c = large ? upper(c) : lower(c);
  }
  return Value(std::move(text));
}

/// Any of the argument's strings, if it is a list.
bool starts_or_ends(const MarkedText& text, const Call& call) {
  call.limit(1);
  const Value wanted = call.arguments.empty() ? Value() : call.arguments[0];
  const List choices = wanted.list() != nullptr ? *wanted.list() : List{wanted};
  return std::any_of(choices.begin(), choices.end(), [&](const Value& choice) {
    if (choice.text() == nullptr) {
      fail_in_line(call.line, "'{}' wants a string and gets {}", call.name, choice.kind());
    }
    const std::string& part = choice.text()->bytes;
    return call.name == "startswith" ? text.bytes.starts_with(part) : text.bytes.ends_with(part);
  });
}

Value split_text(const MarkedText& text, const Call& call) {
  call.limit(2, {"sep", "maxsplit"});
  const Value* separator = call.argument(0, "sep");
  const Value* most = call.argument(1, "maxsplit");
  size_t count = std::string::npos;
  if (most != nullptr && most->is_integer() && most->integer() >= 0) {
    count = static_cast<size_t>(most->integer());
  }
  std::vector<MarkedText> parts;
  if (separator == nullptr || separator->is_none()) {
    if (most != nullptr) fail_unsupported(call.line, "'split' at white space with a limit");
    parts = split_words(text);
  } else {
    const MarkedText* between = call.text_argument(0, "sep");
    if (between->size() == 0) fail_in_line(call.line, "'split' at nothing");
    parts = split(text, between->bytes, count);
  }
  List list;
  for (MarkedText& part : parts) list.emplace_back(std::move(part));
  call.budget.spend_items(4 * list.size());
  return Value(std::move(list));
}

Value replaced(const MarkedText& text, const Call& call) {
  call.limit(2, {"old", "new"});
  const MarkedText* from = call.text_argument(0, "old");
  const MarkedText* to = call.text_argument(1, "new");
  if (from == nullptr || to == nullptr || from->size() == 0) {
    fail_in_line(call.line, "'replace' wants two strings, the first not empty");
  }
  call.budget.spend(text.size() + text.size() / from->size() * to->size());
  return Value(replace(text, from->bytes, *to));
}

Value text_method(const MarkedText& text, const Call& call) {
  const std::string_view name = call.name;
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    call.limit(1);
    const MarkedText* characters = call.text_argument(0, "");
    return Value(strip(text, characters != nullptr ? characters->bytes : "", name != "rstrip",
                       name != "lstrip"));
  }
  if (name == "startswith" || name == "endswith") return Value(starts_or_ends(text, call));
  if (name == "upper" || name == "lower" || name == "title" || name == "capitalize") {
    return changed_case(text, call);
  }
  if (name == "split") return split_text(text, call);
  if (name == "replace") return replaced(text, call);
  if (name == "find") {
    call.limit(1);
    const MarkedText* part = call.text_argument(0, "");
    if (part == nullptr) fail_in_line(call.line, "'find' of nothing");
    const size_t at = text.bytes.find(part->bytes);
    if (at == std::string::npos) return Value(int64_t{-1});
    const auto before = character_starts(std::string_view(text.bytes).substr(0, at));
    return Value(static_cast<int64_t>(before.size()) - 1);
  }
  fail_unsupported(call.line, fmt::format("the method '{}' of a string", printable(name)));
}

Value dictionary_method(const Dictionary& dictionary, const Call& call) {
  const std::string_view name = call.name;
  if (name == "get") {
    call.limit(2);
    const MarkedText* key = call.text_argument(0, "");
    const Value* found = key != nullptr ? dictionary.find(key->bytes) : nullptr;
    if (found != nullptr) return *found;
    return call.arguments.size() > 1 ? call.arguments[1] : Value(None{});
  }
  if (name != "items" && name != "keys" && name != "values") {
    fail_unsupported(call.line, fmt::format("the method '{}' of a mapping", printable(name)));
  }
  call.limit(0);
  List list;
  for (const auto& [key, value] : dictionary.entries) {
    if (name == "items") {
      list.emplace_back(List{Value(std::string_view(key)), value});
    } else if (name == "keys") {
      list.emplace_back(std::string_view(key));
    } else {
      list.push_back(value);
    }
  }
  return Value(std::move(list));
}

}  // namespace

Value call_method(const Value& object, const Call& call) {
  call.budget.spend(object.text() != nullptr ? object.text()->size() : 0);
  if (object.text() != nullptr) return text_method(*object.text(), call);
  if (object.dictionary() != nullptr) return dictionary_method(*object.dictionary(), call);
  fail_unsupported(call.line,
                   fmt::format("the method '{}' of {}", printable(call.name), object.kind()));
}

}  // namespace octavo::jinja
