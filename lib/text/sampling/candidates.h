// The tokens that may still be chosen, which the stages of sampling weaken and drop.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace octavo {

struct Candidate {
  int32_t id;
  float logit;
};

/// Best first; equal logits by id, so that every run orders them alike.
inline bool better(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

/// In the order of ids at first; sorted only as far as somebody looks. Logits may be changed (find)
/// until the first look at(); from then on candidates are only dropped.
class Candidates {
 public:
  /// All ids of `logits` [vocab]. A NaN is an impossible token.
  void read(std::span<const float> logits);

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  /// Null when the id has been dropped. Only before the first at().
  Candidate* find(int32_t id);
  /// The most likely one; ties go to the lower id.
  const Candidate& best() const;
  /// The one of this rank, 0 the best. Sorts what it needs, in growing steps.
  const Candidate& at(size_t rank);
  /// In the order in which they lie.
  std::span<const Candidate> all() const { return {items_.data(), size_}; }

  /// exp of the logit's distance to the best, divided by the temperature: a probability times
  /// total().
  double likelihood(const Candidate& candidate) const {
    return std::exp(scale_ * (double{candidate.logit} - best().logit));
  }
  /// The sum of all likelihoods.
  double total() const;
  /// In nats.
  double entropy() const;

  /// From now on likelihoods are to the power of 1 / `temperature` (more than 0).
  void set_temperature(double temperature);

  /// Keeps the best `count`.
  void keep_best(size_t count);
  /// Drops the best `count`.
  void drop_best(size_t count);
  /// Keeps those for which keep(candidate, index in all()) holds.
  template <class Keep>
  void keep_if(const Keep& keep);

 private:
  void sort(size_t count);
  /// Moves all that may be among the best `count` of items_[sorted_, size_) to its front; how many.
  size_t gather_best(size_t count);

  std::vector<Candidate> items_;  ///< [0, size_) are left; the memory stays for the next read
  size_t size_ = 0;
  size_t sorted_ = 0;  ///< items_[0, sorted_) are the best ones, in order
  double scale_ = 1;   ///< 1 / temperature
};

template <class Keep>
void Candidates::keep_if(const Keep& keep) {
  size_t kept = 0, kept_sorted = 0;
  for (size_t i = 0; i < size_; ++i) {
    if (!keep(static_cast<const Candidate&>(items_[i]), i)) continue;
    items_[kept++] = items_[i];
    if (i < sorted_) kept_sorted = kept;
  }
  size_ = kept;
  sorted_ = kept_sorted;
}

}  // namespace octavo
