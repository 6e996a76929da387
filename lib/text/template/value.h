// What an expression of a template has for a value. Copies are cheap: text, lists and dictionaries
// are shared. Nothing ever contains itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "text/template/marked_text.h"

namespace octavo::jinja {

class Value;
using List = std::vector<Value>;
using Entries = std::vector<std::pair<std::string, Value>>;

/// A dictionary, in the order of its making, or what `namespace()` gives.
struct Dictionary {
  Entries entries;
  bool is_namespace = false;  ///< `set` may change it

  const Value* find(std::string_view key) const;
  void set(const std::string& key, Value value);
};

struct None {};

class Value {
 public:
  Value() = default;  ///< undefined
  explicit Value(None none) : data_(none) {}
  explicit Value(bool truth) : data_(truth) {}
  explicit Value(int64_t number) : data_(number) {}
  explicit Value(double number) : data_(number) {}
  explicit Value(MarkedText text)
      : weight_(text.size() + 1), data_(std::make_shared<const MarkedText>(std::move(text))) {}
  explicit Value(std::string_view text) : Value(MarkedText(text)) {}
  explicit Value(const char* text) : Value(std::string_view(text)) {}
  /// Both throw Error(kUnsupported) when the values are nested too deep or become too large.
  explicit Value(List list);
  explicit Value(Dictionary dictionary);

  bool is_undefined() const { return std::holds_alternative<std::monostate>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_integer() const { return std::holds_alternative<int64_t>(data_); }
  bool is_number() const { return is_integer() || std::holds_alternative<double>(data_); }

  int64_t integer() const { return std::get<int64_t>(data_); }  ///< is_integer()
  double number() const;                                        ///< is_number()
  /// Null when it is none.
  const MarkedText* text() const;
  const List* list() const;
  const Dictionary* dictionary() const;
  /// The one that all copies of this value share; null when it is no `namespace()`.
  Dictionary* name_space() const;

  bool truth() const;
  int depth() const { return depth_; }
  /// Bytes and items in it, counted as often as they are to be read.
  size_t weight() const { return weight_; }
  const char* kind() const;  ///< for messages: "a list"
  /// As `{{ value }}` prints it. Throws Error(kUnsupported) for lists and dictionaries.
  MarkedText printed() const;

 private:
  void contain(const Value& inner);

  int depth_ = 0;  // of lists and dictionaries inside each other
  size_t weight_ = 1;
  std::variant<std::monostate, None, bool, int64_t, double, std::shared_ptr<const MarkedText>,
               std::shared_ptr<const List>, std::shared_ptr<Dictionary>>
      data_;
};

/// As Python compares: numbers by value, text by bytes, lists and dictionaries by their entries,
/// namespaces by what they are.
bool equal(const Value& a, const Value& b);
/// As Python's json.dumps(value, ensure_ascii=False) writes it.
MarkedText to_json(const Value& value);

}  // namespace octavo::jinja
