#include "text/sampling/candidates.h"

#include <limits>

namespace octavo {
namespace {

/// The first step of sorting, and how much longer each next one is.
constexpr size_t kFirstSorted = 64, kGrowth = 4;

/// exp of less than this adds nothing to a sum that holds the best one's 1.
constexpr double kNothing = -80;

}  // namespace

void Candidates::read(std::span<const float> logits) {
  items_.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    const float logit = std::isnan(logits[i]) ? -std::numeric_limits<float>::infinity() : logits[i];
    items_[i] = {static_cast<int32_t>(i), logit};
  }
  sorted_ = 0;
  scale_ = 1;
}

Candidate* Candidates::find(int32_t id) {
  if (id < 0) return nullptr;
  // Nothing dropped: the id is the place.
  const auto place = static_cast<size_t>(id);
  if (place < items_.size() && items_[place].id == id) return &items_[place];
  const auto found = std::lower_bound(
      items_.begin(), items_.end(), id,
      [](const Candidate& candidate, int32_t value) { return candidate.id < value; });
  return found != items_.end() && found->id == id ? &*found : nullptr;
}

const Candidate& Candidates::best() const {
  if (sorted_ > 0) return items_.front();
  return *std::min_element(items_.begin(), items_.end(), better);
}

const Candidate& Candidates::at(size_t rank) {
  if (rank >= sorted_) sort(std::max({rank + 1, kFirstSorted, kGrowth * sorted_}));
  return items_[rank];
}

void Candidates::sort(size_t count) {
  const auto begin = items_.begin() + static_cast<std::ptrdiff_t>(sorted_);
  // A heap of a large part of the list is slower than sorting it whole.
  if (count >= items_.size() / 8) {
    std::sort(begin, items_.end(), better);
    sorted_ = items_.size();
    return;
  }
  std::partial_sort(begin, items_.begin() + static_cast<std::ptrdiff_t>(count), items_.end(),
                    better);
  sorted_ = count;
}

double Candidates::total() const {
  const double top = best().logit;
  double sum = 0;
  for (const Candidate& candidate : items_) {
    const double exponent = scale_ * (candidate.logit - top);
    if (exponent > kNothing) sum += std::exp(exponent);
  }
  return sum;
}

double Candidates::entropy() const {
  const double top = best().logit, whole = total();
  double sum = 0;
  for (const Candidate& candidate : items_) {
    const double exponent = scale_ * (candidate.logit - top);
    if (exponent > kNothing) sum += std::exp(exponent) * (std::log(whole) - exponent);
  }
  return sum / whole;
}

void Candidates::set_temperature(double temperature) { scale_ = 1 / temperature; }

void Candidates::keep_best(size_t count) {
  if (count >= items_.size()) return;
  if (count > sorted_) sort(count);
  items_.resize(count);
  sorted_ = std::min(sorted_, count);
}

void Candidates::drop_best(size_t count) {
  if (count > sorted_) sort(count);
  items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(count));
  sorted_ -= count;
}

}  // namespace octavo
