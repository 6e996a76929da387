#include "divergence.h"

#include <algorithm>
#include <cmath>

namespace octavo::cli {

PredictionPair compare_predictions(std::span<const float> logits_a, std::span<const float> logits_b,
                                   int32_t id) {
  const double total_a = log_sum_exp(logits_a), total_b = log_sum_exp(logits_b);
  double divergence = 0;
  for (size_t i = 0; i < logits_a.size(); ++i) {
    const double log_a = logits_a[i] - total_a, log_b = logits_b[i] - total_b;
    divergence += std::exp(log_a) * (log_a - log_b);
  }
  const auto top = [](std::span<const float> logits) {
    return std::max_element(logits.begin(), logits.end()) - logits.begin();
  };
  const auto token = static_cast<size_t>(id);
  return {.divergence = std::max(divergence, 0.0),  // rounding can bring equal ones below
          .same_top = top(logits_a) == top(logits_b),
          .loss_a = total_a - logits_a[token],
          .loss_b = total_b - logits_b[token]};
}

void Divergence::add(const PredictionPair& pair) {
  a_.add(pair.loss_a);
  b_.add(pair.loss_b);
  change_.add(pair.loss_b - pair.loss_a);
  divergence_.add(pair.divergence);
  same_top_ += pair.same_top ? 1 : 0;
  divergences_.push_back(static_cast<float>(pair.divergence));
}

double Divergence::same_top() const {
  return count() == 0 ? 0 : static_cast<double>(same_top_) / static_cast<double>(count());
}

double Divergence::quantile(double share) const {
  if (divergences_.empty()) return 0;
  std::vector<float> sorted = divergences_;
  const auto last = static_cast<double>(sorted.size() - 1);
  const auto at = sorted.begin() + std::lround(share * last);
  std::nth_element(sorted.begin(), at, sorted.end());
  return *at;
}

}  // namespace octavo::cli
