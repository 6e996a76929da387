// Sampling. The random numbers are mt19937_64's, which the C++ standard fixes bit by bit, and the
// conversion to [0, 1) is our own, so a seed gives the same tokens everywhere.
#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <random>
#include <set>

#include "core/error.h"
#include "octavo/octavo.hpp"

namespace octavo {
namespace {

struct Candidate {
  int32_t id;
  float logit;
};

/// Best first; equal logits by id, so that every run orders them alike.
bool better(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

/// Written so that a NaN fails too.
void require(bool valid, const char* what, double value) {
  if (!valid) fail(ErrorCode::kInvalidArgument, "{} (it is {})", what, value);
}

void validate(const SamplingOptions& options) {
  require(options.temperature >= 0 && std::isfinite(options.temperature),
          "the temperature must be 0 or more", options.temperature);
  require(options.top_k >= 0, "top-k must be 0 (off) or more", options.top_k);
  require(options.top_p >= 0 && options.top_p <= 1, "top-p must be between 0 and 1", options.top_p);
  require(options.min_p >= 0 && options.min_p <= 1, "min-p must be between 0 and 1", options.min_p);
  require(options.repeat_penalty > 0 && std::isfinite(options.repeat_penalty),
          "the repeat penalty must be more than 0", options.repeat_penalty);
  require(options.repeat_window >= 0, "the repeat window must be 0 or more", options.repeat_window);
}

/// Keeps the best `count`, sorted best first; 0 keeps all.
void keep_top_k(std::vector<Candidate>& candidates, size_t count) {
  if (count == 0 || count > candidates.size()) count = candidates.size();
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count),
                    candidates.end(), better);
  candidates.resize(count);
}

/// exp(scale * (logit - best logit)) of sorted candidates: probabilities times a constant.
std::vector<double> likelihoods(const std::vector<Candidate>& candidates, double scale) {
  std::vector<double> values;
  values.reserve(candidates.size());
  for (const Candidate& candidate : candidates) {
    values.push_back(std::exp(scale * (double{candidate.logit} - candidates.front().logit)));
  }
  return values;
}

double sum(const std::vector<double>& values) {
  double total = 0;
  for (const double value : values) total += value;
  return total;
}

/// Keeps the fewest of the best whose probabilities sum to at least `top_p`; always one.
void keep_top_p(std::vector<Candidate>& candidates, double top_p) {
  if (top_p >= 1) return;
  const std::vector<double> values = likelihoods(candidates, 1);
  const double wanted = top_p * sum(values);
  double cumulative = values.front();
  size_t count = 1;
  while (count < values.size() && cumulative < wanted) cumulative += values[count++];
  candidates.resize(count);
}

/// Keeps those at least `min_p` times as likely as the best.
void keep_min_p(std::vector<Candidate>& candidates, double min_p) {
  const std::vector<double> values = likelihoods(candidates, 1);
  size_t count = 1;
  while (count < values.size() && values[count] >= min_p) ++count;
  candidates.resize(count);
}

}  // namespace

struct Sampler::Impl {
  SamplingOptions options;
  std::mt19937_64 random;
  std::deque<int32_t> recent;
  std::vector<Candidate> candidates;

  void accept(int32_t id) {
    recent.push_back(id);
    while (recent.size() > static_cast<size_t>(options.repeat_window)) recent.pop_front();
  }

  void read(std::span<const float> logits) {
    candidates.clear();
    candidates.reserve(logits.size());
    for (size_t i = 0; i < logits.size(); ++i) {
      const float logit =
          std::isnan(logits[i]) ? -std::numeric_limits<float>::infinity() : logits[i];
      candidates.push_back({static_cast<int32_t>(i), logit});
    }
    if (options.repeat_penalty == 1) return;
    for (const int32_t id : std::set<int32_t>(recent.begin(), recent.end())) {
      if (id < 0 || id >= static_cast<int32_t>(candidates.size())) continue;
      float& logit = candidates[static_cast<size_t>(id)].logit;
      logit = logit > 0 ? logit / options.repeat_penalty : logit * options.repeat_penalty;
    }
  }

  /// Uniform in [0, 1): the high 53 bits.
  double uniform() { return static_cast<double>(random() >> 11) * 0x1p-53; }

  int32_t draw() {
    const std::vector<double> values = likelihoods(candidates, 1 / double{options.temperature});
    double left = uniform() * sum(values);
    int32_t chosen = candidates.front().id;
    for (size_t i = 0; i < values.size() && left >= 0; ++i) {
      if (values[i] > 0) chosen = candidates[i].id;  // rounding never ends on the impossible
      left -= values[i];
    }
    return chosen;
  }

  int32_t choose(std::span<const float> logits) {
    read(logits);
    const Candidate best = *std::min_element(candidates.begin(), candidates.end(), better);
    if (options.temperature == 0 || !std::isfinite(best.logit)) return best.id;
    keep_top_k(candidates, static_cast<size_t>(options.top_k));
    keep_top_p(candidates, options.top_p);
    keep_min_p(candidates, options.min_p);
    return draw();
  }
};

Sampler::Sampler(const SamplingOptions& options) {
  validate(options);
  impl_ = std::make_unique<Impl>();
  impl_->options = options;
  impl_->random.seed(options.seed);
}
Sampler::~Sampler() = default;
Sampler::Sampler(Sampler&&) noexcept = default;
Sampler& Sampler::operator=(Sampler&&) noexcept = default;

void Sampler::accept(int32_t id) { impl_->accept(id); }

int32_t Sampler::sample(std::span<const float> logits) {
  if (logits.empty()) fail(ErrorCode::kInvalidArgument, "there are no logits to sample from");
  const int32_t id = impl_->choose(logits);
  impl_->accept(id);
  return id;
}

}  // namespace octavo
