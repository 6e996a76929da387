#include "text/sampling/candidates.h"

#include <functional>
#include <limits>

namespace octavo {
namespace {

/// The first step of sorting, and how much longer each next one is.
constexpr size_t kFirstSorted = 64, kGrowth = 4;

/// exp of less than this adds nothing to a sum that holds the best one's 1.
constexpr double kNothing = -80;

}  // namespace

void Candidates::read(std::span<const float> logits) {
  size_ = logits.size();
  if (items_.size() < size_) items_.resize(size_);
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  Candidate* items = items_.data();
  for (size_t i = 0; i < size_; ++i) {
    items[i] = {static_cast<int32_t>(i), std::isnan(logits[i]) ? kNever : logits[i]};
  }
  sorted_ = 0;
  scale_ = 1;
}

Candidate* Candidates::find(int32_t id) {
  if (id < 0) return nullptr;
  // Nothing dropped: the id is the place.
  const auto place = static_cast<size_t>(id);
  if (place < size_ && items_[place].id == id) return &items_[place];
  const auto end = items_.begin() + static_cast<std::ptrdiff_t>(size_);
  const auto found = std::lower_bound(
      items_.begin(), end, id,
      [](const Candidate& candidate, int32_t value) { return candidate.id < value; });
  return found != end && found->id == id ? &*found : nullptr;
}

const Candidate& Candidates::best() const {
  if (sorted_ > 0) return items_.front();
  // Lanes of their own, which a compiler can keep in a vector.
  constexpr size_t kLanes = 16;
  float lanes[kLanes];
  std::fill(lanes, lanes + kLanes, items_.front().logit);
  const Candidate* items = items_.data();
  size_t i = 0;
  for (; i + kLanes <= size_; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float logit = items[i + lane].logit;
      lanes[lane] = logit > lanes[lane] ? logit : lanes[lane];
    }
  }
  float most = *std::max_element(lanes, lanes + kLanes);
  for (; i < size_; ++i) most = std::max(most, items[i].logit);
  // In the order of ids, so the first of equals is the lowest.
  return *std::find_if(items, items + size_,
                       [most](const Candidate& candidate) { return candidate.logit == most; });
}

const Candidate& Candidates::at(size_t rank) {
  if (rank >= sorted_) sort(std::max({rank + 1, kFirstSorted, kGrowth * sorted_}));
  return items_[rank];
}

void Candidates::sort(size_t count) {
  const auto begin = items_.begin() + static_cast<std::ptrdiff_t>(sorted_);
  const auto end = items_.begin() + static_cast<std::ptrdiff_t>(size_);
  // A heap of a large part of the list is slower than sorting it whole.
  if (count >= size_ / 8) {
    std::sort(begin, end, better);
    sorted_ = size_;
    return;
  }
  const size_t likely = gather_best(count - sorted_);
  std::partial_sort(begin, items_.begin() + static_cast<std::ptrdiff_t>(count),
                    begin + static_cast<std::ptrdiff_t>(likely), better);
  sorted_ = count;
}

size_t Candidates::gather_best(size_t count) {
  const size_t rest = size_ - sorted_;
  // A bound that some more than `count` should pass, from every 16th.
  constexpr size_t kStride = 16;
  const size_t passing = 2 * count / kStride + 4;
  std::vector<float> sample;
  for (size_t i = sorted_; i < size_; i += kStride) sample.push_back(items_[i].logit);
  if (passing >= sample.size()) return rest;
  std::nth_element(sample.begin(), sample.begin() + static_cast<std::ptrdiff_t>(passing),
                   sample.end(), std::greater<>());
  const float bound = sample[passing];
  size_t front = sorted_;
  for (size_t i = sorted_; i < size_; ++i) {
    if (items_[i].logit >= bound) std::swap(items_[i], items_[front++]);
  }
  return front - sorted_ >= count ? front - sorted_ : rest;
}

double Candidates::total() const {
  const double top = best().logit;
  double sum = 0;
  for (const Candidate& candidate : all()) {
    const double exponent = scale_ * (candidate.logit - top);
    if (exponent > kNothing) sum += std::exp(exponent);
  }
  return sum;
}

double Candidates::entropy() const {
  const double top = best().logit, whole = total();
  double sum = 0;
  for (const Candidate& candidate : all()) {
    const double exponent = scale_ * (candidate.logit - top);
    if (exponent > kNothing) sum += std::exp(exponent) * (std::log(whole) - exponent);
  }
  return sum / whole;
}

void Candidates::set_temperature(double temperature) { scale_ = 1 / temperature; }

void Candidates::keep_best(size_t count) {
  if (count >= size_) return;
  if (count > sorted_) sort(count);
  size_ = count;
  sorted_ = std::min(sorted_, count);
}

void Candidates::drop_best(size_t count) {
  if (count > sorted_) sort(count);
  const auto begin = items_.begin();
  std::copy(begin + static_cast<std::ptrdiff_t>(count), begin + static_cast<std::ptrdiff_t>(size_),
            begin);
  size_ -= count;
  sorted_ -= count;
}

}  // namespace octavo
