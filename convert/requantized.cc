#include "convert/requantized.h"

#include <algorithm>
#include <cmath>

#include "quant/rows.h"

namespace octavo {
namespace {

bool loses(SourceType from, Format to) {
  const SourceTypeTraits& type = traits(from);
  return type.block_cols > 1 && type.same_blocks != to && to != Format::kF32;
}

/// The pair in a list, put there if need be.
template <class Pair, class From, class To>
Pair& find_pair(std::vector<Pair>& pairs, From from, To to) {
  for (Pair& pair : pairs) {
    if (pair.from == from && pair.to == to) return pair;
  }
  Pair& pair = pairs.emplace_back();
  pair.from = from;
  pair.to = to;
  return pair;
}

Requantized& find_named(std::vector<Requantized>& list, SourceType from, Format to) {
  return find_pair(list, traits(from).name, format_name(to));
}

}  // namespace

std::vector<Requantized> plan_requantized(const ModelSource& source,
                                          const ModelDirectory& directory) {
  std::vector<Requantized> list;
  for (size_t i = 0; i < source.tensors.size(); ++i) {
    const SourceType from = source.tensors[i].type;
    const Format to = directory.tensors[i].format;
    if (loses(from, to)) ++find_named(list, from, to).tensors;
  }
  return list;
}

void RequantizedSums::begin(SourceType from, Format to, int64_t cols, int threads) {
  current_ = loses(from, to) ? &find_pair(pairs_, from, to) : nullptr;
  if (current_ == nullptr) return;
  ++current_->tensors;
  const auto count = static_cast<size_t>(threads);
  if (current_->by_thread.size() < count) current_->by_thread.resize(count);
  for (Sums& sums : current_->by_thread) sums.stored.resize(static_cast<size_t>(cols));
}

void RequantizedSums::add(int thread, std::span<const float> values, const std::byte* stored) {
  if (current_ == nullptr) return;
  Sums& sums = current_->by_thread[static_cast<size_t>(thread)];
  dequantize_row(current_->to, stored, sums.stored);
  for (size_t i = 0; i < values.size(); ++i) {
    const double value = values[i], error = value - sums.stored[i];
    sums.error += error * error;
    sums.square += value * value;
  }
}

void RequantizedSums::fill(std::vector<Requantized>& plan) const {
  for (const Pair& pair : pairs_) {
    double error = 0, square = 0;
    for (const Sums& sums : pair.by_thread) {
      error += sums.error;
      square += sums.square;
    }
    Requantized& row = find_named(plan, pair.from, pair.to);
    row.measured = pair.tensors;
    row.error = square > 0 ? std::sqrt(error / square) : 0;
  }
}

}  // namespace octavo
