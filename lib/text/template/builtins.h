// What a template may call: filters, tests, methods of its values, and functions.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/template/value.h"

namespace octavo::jinja {

/// How much a rendering may do, so that every template ends.
class Budget {
 public:
  explicit Budget(int64_t work) : left_(work) {}
  /// Throws Error(kUnsupported) when there is none left.
  void spend(size_t work);
  /// For a list of so many, which cost memory.
  void spend_items(size_t count) { spend(16 * count); }

 private:
  int64_t left_;
};

/// A call by name, with its arguments evaluated.
struct Call {
  std::string_view name;
  int line = 1;
  std::vector<Value> arguments;  ///< of a filter, test or method without what it is applied to
  std::vector<std::pair<std::string, Value>> keywords;
  Budget& budget;

  /// The argument at this place or of this keyword; null: absent.
  const Value* argument(size_t index, std::string_view keyword) const;
  /// The same as text. Throws Error(kFormat) when it is there and something else.
  const MarkedText* text_argument(size_t index, std::string_view keyword) const;
  /// Refuses more arguments, or other keywords, than a function of this many knows.
  void limit(size_t count, const std::vector<std::string_view>& names = {}) const;
};

/// All throw Error(kUnsupported) for a name that octavo does not know, Error(kFormat) for values
/// that do not fit.
Value apply_filter(const Value& input, const Call& call);
bool apply_test(const Value& input, const Call& call);
Value call_method(const Value& object, const Call& call);
/// range, namespace, dict, raise_exception.
Value call_function(const Call& call);

/// object[key] or object.name; undefined when it is not there.
Value entry_of(const Value& object, const Value& key, int line);
/// The items that a loop goes over.
List items_of(const Value& value, Budget& budget, int line);
/// Whether `item` is in `container`.
bool contains(const Value& container, const Value& item, int line);

}  // namespace octavo::jinja
