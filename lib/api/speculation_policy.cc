#include "api/speculation_policy.h"

#include <algorithm>
#include <cmath>

namespace octavo {
namespace {

/// What matches are taken for before they were seen, as so many tokens. Less than what they are
/// mostly worth: to learn that they are better costs nothing.
constexpr std::array kFirstAcceptance = {0.2, 0.3, 0.4, 0.5, 0.6, 0.75};
constexpr double kFirstWeight = 4;
/// Older tokens count less, so that no more than these count.
constexpr double kMostTokens = 64;
/// Share of a new measurement in a running mean, once there are some.
constexpr double kNewShare = 0.125;
/// A pass that took so many times the mean was held up by something else.
constexpr double kOutlier = 2;
/// What a further row costs in arithmetic, as far as nothing is known.
constexpr double kRowShare = 0.02;
/// Probes that unspent time adds up to, in single passes.
constexpr double kMostUnspent = 20;

void move_towards(double& mean, double value, int64_t count) {
  if (count > 3) value = std::min(value, kOutlier * mean);
  mean += (value - mean) * std::max(kNewShare, 1.0 / static_cast<double>(count));
}

}  // namespace

SpeculationPolicy::SpeculationPolicy(const PassShape& shape)
    : shape_(shape), costs_(static_cast<size_t>(shape.most_rows) + 1) {
  for (size_t i = 0; i < kClasses; ++i) {
    acceptance_[i] = {kFirstAcceptance[i] * kFirstWeight, kFirstWeight};
  }
}

size_t SpeculationPolicy::class_of(int64_t match) {
  constexpr std::array<int64_t, kClasses - 1> kLast = {2, 3, 5, 8, 15};
  return static_cast<size_t>(std::lower_bound(kLast.begin(), kLast.end(), match) - kLast.begin());
}

double SpeculationPolicy::acceptance(int64_t match) const {
  const Acceptance& of_class = acceptance_[class_of(match)];
  return of_class.came / of_class.all;
}

void SpeculationPolicy::note_token(int64_t match, bool came) {
  Acceptance& of_class = acceptance_[class_of(match)];
  const double kept = std::min(1.0, kMostTokens / (of_class.all + 1));
  of_class.came = (of_class.came + (came ? 1 : 0)) * kept;
  of_class.all = (of_class.all + 1) * kept;
}

void SpeculationPolicy::note_pass(int64_t rows, double seconds, int64_t experts) {
  if (rows < 1 || rows > shape_.most_rows || (rows > 1 && single_seconds_ == 0)) return;
  Cost& of_rows = costs_[static_cast<size_t>(rows)];
  ++of_rows.passes;
  if (rows == 1) {
    move_towards(single_seconds_, seconds, of_rows.passes);
    of_rows.ratio = 1;
    unspent_ = std::min(kMostUnspent, unspent_ + kProbeShare);
    return;
  }
  move_towards(of_rows.ratio, seconds / single_seconds_, of_rows.passes);
  if (experts > 0) {
    const double single = expected_experts(1);
    const double measured = (static_cast<double>(experts) - single) * overlap_ /
                            std::max(expected_experts(rows) - single, 1e-9);
    overlap_ += (std::clamp(measured, 0.0, 1.0) - overlap_) * kNewShare;
  }
}

double SpeculationPolicy::expected_experts(int64_t rows) const {
  const auto layers = static_cast<double>(shape_.layers);
  const auto all = static_cast<double>(shape_.experts),
             each = static_cast<double>(shape_.experts_per_token);
  if (shape_.experts == 0) return layers;
  const double random = all * (1 - std::pow(1 - each / all, static_cast<double>(rows)));
  return layers * (each + overlap_ * (random - each));
}

double SpeculationPolicy::assumed_cost(int64_t rows) const {
  const double further = expected_experts(rows) / expected_experts(1) - 1;
  return 1 + shape_.expert_share * further + kRowShare * static_cast<double>(rows - 1);
}

double SpeculationPolicy::cost(int64_t rows) const {
  const auto known = [this](int64_t r) { return costs_[static_cast<size_t>(r)].passes > 0; };
  const auto ratio = [this](int64_t r) {
    return r == 1 ? 1 : costs_[static_cast<size_t>(r)].ratio;
  };
  if (rows == 1 || known(rows)) return ratio(rows);
  int64_t below = rows - 1, above = rows + 1;
  while (below > 1 && !known(below)) --below;
  while (above <= shape_.most_rows && !known(above)) ++above;
  const double from_below = ratio(below) * assumed_cost(rows) / assumed_cost(below);
  return above > shape_.most_rows ? from_below : std::min(from_below, ratio(above));
}

template <class CostOf>
SpeculationPolicy::Best SpeculationPolicy::best(int64_t match, int64_t most,
                                                const CostOf& cost_of) const {
  Best result;
  double tokens = 1, reached = 1;
  for (int64_t drafted = 1; drafted <= most; ++drafted) {
    reached *= acceptance(match + drafted - 1);
    tokens += reached;
    const double gain = tokens / cost_of(drafted + 1);
    if (gain > std::max(result.gain, kLeastGain)) result = {drafted, gain};
  }
  return result;
}

int64_t SpeculationPolicy::choose(int64_t match, int64_t most) {
  most = std::min(most, shape_.most_rows - 1);
  if (match == 0 || most < 1 || single_seconds_ == 0) return 0;
  const Best measured = best(match, most, [this](int64_t rows) { return cost(rows); });
  if (measured.drafted > 0) return measured.drafted;
  // Times may have been bad luck: a look now and then at what would be best by the experts alone.
  const Best hoped = best(match, most, [this](int64_t rows) { return assumed_cost(rows); });
  const double price = cost(hoped.drafted + 1) - 1;
  if (hoped.drafted == 0 || price > unspent_) return 0;
  unspent_ -= price;
  return hoped.drafted;
}

}  // namespace octavo
