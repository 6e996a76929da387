#include "support/plain_sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

namespace octavo::test {
namespace {

using Values = std::vector<double>;
constexpr double kNever = -std::numeric_limits<double>::infinity();

/// Dropped ids have minus infinity.
Values softmax(const Values& logits, double temperature = 1) {
  const double best = *std::max_element(logits.begin(), logits.end());
  Values result;
  double sum = 0;
  for (const double logit : logits) {
    result.push_back(logit == kNever ? 0 : std::exp((logit - best) / temperature));
    sum += result.back();
  }
  for (double& value : result) value /= sum;
  return result;
}

double entropy(const Values& p) {
  double sum = 0;
  for (const double value : p) sum -= value > 0 ? value * std::log(value) : 0;
  return sum;
}

/// Ids by `key`, smallest first, the lower id first among equals.
std::vector<size_t> ranked(const Values& key) {
  std::vector<size_t> ids(key.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(), [&key](size_t a, size_t b) { return key[a] < key[b]; });
  return ids;
}

Values negated(Values values) {
  for (double& value : values) value = -value;
  return values;
}

/// Keeps the ids in `order` until their probabilities sum to `mass`.
void keep_mass(Values& logits, const std::vector<size_t>& order, double mass) {
  const Values p = softmax(logits);
  double sum = 0;
  for (const size_t id : order) {
    if (sum >= mass && sum > 0) logits[id] = kNever;
    sum += p[id];
  }
}

void change(const SamplingOptions& options, const std::vector<int32_t>& history, Values& logits) {
  for (const auto& [id, bias] : options.logit_bias) logits[static_cast<size_t>(id)] += bias;
  const size_t window = std::min(history.size(), static_cast<size_t>(options.repeat_window));
  for (size_t id = 0; id < logits.size(); ++id) {
    const auto count = std::count(history.end() - static_cast<std::ptrdiff_t>(window),
                                  history.end(), static_cast<int32_t>(id));
    if (count == 0) continue;
    double& logit = logits[id];
    logit = logit > 0 ? logit / options.repeat_penalty : logit * options.repeat_penalty;
    logit -= static_cast<double>(count) * options.frequency_penalty + options.presence_penalty;
  }
  if (options.dry_multiplier == 0) return;
  const size_t dry_window = options.dry_window == 0
                                ? history.size()
                                : std::min(history.size(), static_cast<size_t>(options.dry_window));
  const std::vector<int> longest =
      plain_repeats({history.end() - static_cast<std::ptrdiff_t>(dry_window), history.end()},
                    static_cast<int>(logits.size()));
  for (size_t id = 0; id < logits.size(); ++id) {
    const int beyond = longest[id] - options.dry_allowed_length;
    if (beyond >= 0) logits[id] -= options.dry_multiplier * std::pow(options.dry_base, beyond);
  }
}

void truncate(const SamplingOptions& options, Values& logits) {
  if (options.top_k > 0) {
    const std::vector<size_t> order = ranked(negated(logits));
    for (size_t i = static_cast<size_t>(options.top_k); i < order.size(); ++i) {
      logits[order[i]] = kNever;
    }
  }
  if (options.typical_p < 1) {
    const Values p = softmax(logits);
    Values distance;
    for (const double value : p) distance.push_back(std::abs(-std::log(value) - entropy(p)));
    keep_mass(logits, ranked(distance), options.typical_p);
  }
  if (options.top_p < 1) keep_mass(logits, ranked(negated(logits)), options.top_p);
  const Values p = softmax(logits);
  const double best = *std::max_element(p.begin(), p.end());
  for (size_t id = 0; id < logits.size(); ++id) {
    if (p[id] < options.min_p * best) logits[id] = kNever;
  }
}

void exclude_top_choices(double threshold, Values& logits) {
  const Values p = softmax(logits);
  std::vector<size_t> top;
  for (const size_t id : ranked(negated(logits))) {
    if (p[id] >= threshold) top.push_back(id);
  }
  for (size_t i = 0; i + 1 < top.size(); ++i) logits[top[i]] = kNever;
}

Values heated(const SamplingOptions& options, const Values& logits) {
  double temperature = options.temperature;
  if (options.dynatemp_range > 0) {
    const Values p = softmax(logits);
    const auto count =
        std::count_if(logits.begin(), logits.end(), [](double l) { return l > kNever; });
    if (count > 1) {
      const double least = std::max(0.0, temperature - options.dynatemp_range);
      const double share = entropy(p) / std::log(static_cast<double>(count));
      const double most = temperature + options.dynatemp_range;
      temperature = least + (most - least) * std::pow(share, options.dynatemp_exponent);
    }
  }
  return softmax(logits, temperature);
}

}  // namespace

std::vector<double> plain_probabilities(const SamplingOptions& options,
                                        const std::vector<float>& logits,
                                        const std::vector<int32_t>& history) {
  Values values(logits.begin(), logits.end());
  change(options, history, values);
  if (options.mirostat) {
    Values p = heated(options, values);
    const double best = *std::max_element(p.begin(), p.end());
    double sum = 0;
    for (double& value : p) {
      if (value < best && -std::log2(value) > 2 * options.mirostat_tau) value = 0;
      sum += value;
    }
    for (double& value : p) value /= sum;
    return p;
  }
  truncate(options, values);
  Values result = heated(options, values);
  if (options.xtc_probability == 0) return result;
  exclude_top_choices(options.xtc_threshold, values);
  const Values excluded = heated(options, values);
  for (size_t id = 0; id < result.size(); ++id) {
    result[id] += options.xtc_probability * (excluded[id] - result[id]);
  }
  return result;
}

std::vector<int> plain_repeats(const std::vector<int32_t>& tokens, int vocab) {
  std::vector<int> longest(static_cast<size_t>(vocab));
  for (size_t next = 1; next < tokens.size(); ++next) {
    size_t length = 0;
    while (length < next && tokens[next - 1 - length] == tokens[tokens.size() - 1 - length]) {
      ++length;
    }
    int& known = longest[static_cast<size_t>(tokens[next])];
    known = std::max(known, static_cast<int>(length));
  }
  return longest;
}

double ChiSquare::bound() const { return freedom + 4.5 * std::sqrt(2.0 * freedom) + 8; }

ChiSquare chi_square(const std::vector<int>& counts, const std::vector<double>& probabilities) {
  const double draws = std::accumulate(counts.begin(), counts.end(), 0);
  double rare_expected = 0, rare_count = 0;
  ChiSquare result;
  result.freedom = -1;
  const auto add = [&result](double count, double expected) {
    result.statistic += (count - expected) * (count - expected) / expected;
    ++result.freedom;
  };
  for (size_t id = 0; id < counts.size(); ++id) {
    const double expected = probabilities[id] * draws;
    if (expected == 0 && counts[id] > 0) {
      throw std::runtime_error("id " + std::to_string(id) + " came up, but cannot");
    }
    if (expected >= 5) {
      add(counts[id], expected);
    } else {
      rare_expected += expected;
      rare_count += counts[id];
    }
  }
  if (rare_expected > 0) add(rare_count, rare_expected);
  return result;
}

}  // namespace octavo::test
