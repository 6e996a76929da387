#include "convert/pickle_stack.h"

#include "core/error.h"

namespace octavo {

using Kind = PickleValue::Kind;

void PickleStack::need(size_t count) const {
  if (available() < count) fail(ErrorCode::kFormat, "the pickle takes more than it has put down");
}

PickleValue PickleStack::pop() {
  need(1);
  const PickleValue value = values_.back();
  values_.pop_back();
  return value;
}

size_t PickleStack::pop_mark() {
  if (marks_.empty()) fail(ErrorCode::kFormat, "the pickle takes more than it has put down");
  const size_t count = available();
  marks_.pop_back();
  return count;
}

void PickleStack::make_tuple(size_t count) {
  need(count);
  const auto first = values_.end() - static_cast<std::ptrdiff_t>(count);
  const auto begin = static_cast<int64_t>(heap_.items.size());
  heap_.items.insert(heap_.items.end(), first, values_.end());
  values_.erase(first, values_.end());
  push({Kind::kTuple, static_cast<uint32_t>(count), begin});
}

void PickleStack::set_items(size_t count) {
  need(count + 1);
  const size_t first = values_.size() - count;
  const PickleValue dict = values_[first - 1];
  if (!dict.is(Kind::kDict) || count % 2 != 0) {
    fail(ErrorCode::kFormat, "the pickle sets items of what is no dict");
  }
  for (size_t i = first; i < values_.size(); i += 2) {
    heap_.entries.push_back({dict.number, values_[i], values_[i + 1]});
  }
  values_.resize(first);
}

void PickleStack::append(size_t count) {
  need(count + 1);
  values_.resize(values_.size() - count);
  if (values_.back().is(Kind::kList)) return;
  fail(ErrorCode::kFormat, "the pickle appends to what is no list");
}

void PickleStack::build() {
  need(2);
  const PickleValue state = pop();
  if (state.is(Kind::kDict) && values_.back().is(Kind::kDict)) return;
  fail(ErrorCode::kFormat, "the pickle sets attributes of what is no dict");
}

void PickleStack::put(size_t index) {
  need(1);
  // Python numbers its memo in order, so torch.save leaves no gap.
  if (index > memo_.size()) fail(ErrorCode::kFormat, "the pickle's memo has gaps");
  if (index == memo_.size()) memo_.emplace_back();
  memo_[index] = values_.back();
}

void PickleStack::get(size_t index) {
  if (index >= memo_.size()) fail(ErrorCode::kFormat, "the pickle's memo has no item {}", index);
  push(memo_[index]);
}

}  // namespace octavo
