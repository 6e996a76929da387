// The stack and the memo on which a pickle builds its values.
#pragma once

#include <cstddef>
#include <vector>

#include "convert/pickle_values.h"

namespace octavo {

/// Every member that takes values throws Error(kFormat) when they are not there above the last
/// mark.
class PickleStack {
 public:
  explicit PickleStack(PickleHeap& heap) : heap_(heap) {}

  void push(const PickleValue& value) { values_.push_back(value); }
  void push(PickleValue::Kind kind, int64_t number = 0) { values_.push_back({kind, 0, number}); }
  PickleValue pop();

  void mark() { marks_.push_back(values_.size()); }
  /// Takes the last mark away; returns how many values lie above it.
  size_t pop_mark();

  /// The last `count` values become a tuple.
  void make_tuple(size_t count);
  /// Takes `count` values, keys and values in turn, into the dict below them.
  void set_items(size_t count);
  /// Takes `count` values into the list below them. Lists have no part in tensors: all is dropped.
  void append(size_t count);
  /// Takes the attributes of the dict below (state dicts carry "_metadata") and drops them.
  void build();

  /// Remembers the last value under a number that is known or the next new one.
  void put(size_t index);
  void put() { put(memo_.size()); }
  void get(size_t index);

  /// Whether one value alone is left.
  bool is_done() const { return values_.size() == 1 && marks_.empty(); }

 private:
  void need(size_t count) const;
  size_t available() const { return values_.size() - (marks_.empty() ? 0 : marks_.back()); }

  PickleHeap& heap_;
  std::vector<PickleValue> values_, memo_;
  std::vector<size_t> marks_;  // heights of `values_`
};

}  // namespace octavo
