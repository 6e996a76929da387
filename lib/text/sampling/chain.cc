#include "text/sampling/chain.h"

#include "core/error.h"
#include "text/sampling/dry.h"
#include "text/sampling/options.h"
#include "text/sampling/penalties.h"
#include "text/sampling/temperature.h"
#include "text/sampling/truncation.h"

namespace octavo {

SamplerChain::SamplerChain(const SamplingOptions& options, std::unique_ptr<SamplerStage> grammar,
                           std::function<bool(int32_t)> is_breaker)
    : random_(options.seed), greedy_(options.temperature == 0) {
  check_sampling_options(options);
  add_changing_stages(options, std::move(grammar), std::move(is_breaker));
  if (!greedy_) add_choosing_stages(options);
}

void SamplerChain::add_changing_stages(const SamplingOptions& options,
                                       std::unique_ptr<SamplerStage> grammar,
                                       std::function<bool(int32_t)> is_breaker) {
  if (!options.logit_bias.empty()) {
    changing_.push_back(std::make_unique<LogitBias>(options.logit_bias));
    for (const auto& [id, bias] : options.logit_bias) {
      largest_biased_ = std::max(largest_biased_, id);
    }
  }
  if (grammar) changing_.push_back(std::move(grammar));
  const PenaltyOptions penalties = {.repeat = options.repeat_penalty,
                                    .frequency = options.frequency_penalty,
                                    .presence = options.presence_penalty,
                                    .window = static_cast<size_t>(options.repeat_window)};
  if (penalties.repeat != 1 || penalties.frequency != 0 || penalties.presence != 0) {
    changing_.push_back(std::make_unique<Penalties>(penalties));
  }
  if (options.dry_multiplier > 0) {
    changing_.push_back(
        std::make_unique<Dry>(DryOptions{.multiplier = options.dry_multiplier,
                                         .base = options.dry_base,
                                         .allowed_length = options.dry_allowed_length,
                                         .window = static_cast<size_t>(options.dry_window),
                                         .is_breaker = std::move(is_breaker)}));
  }
}

void SamplerChain::add_choosing_stages(const SamplingOptions& options) {
  Stages& stages = choosing_;
  if (!options.mirostat) {
    if (options.top_k > 0) {
      stages.push_back(std::make_unique<TopK>(static_cast<size_t>(options.top_k)));
    }
    if (options.typical_p < 1) stages.push_back(std::make_unique<Typical>(options.typical_p));
    if (options.top_p < 1) stages.push_back(std::make_unique<TopP>(options.top_p));
    if (options.min_p > 0) stages.push_back(std::make_unique<MinP>(options.min_p));
    if (options.xtc_probability > 0) {
      stages.push_back(
          std::make_unique<Xtc>(options.xtc_probability, options.xtc_threshold, random_));
    }
  }
  if (options.dynatemp_range > 0) {
    stages.push_back(std::make_unique<DynamicTemperature>(
        options.temperature, options.dynatemp_range, options.dynatemp_exponent));
  } else {
    stages.push_back(std::make_unique<Temperature>(options.temperature));
  }
  if (options.mirostat) {
    stages.push_back(std::make_unique<Mirostat>(options.mirostat_tau, options.mirostat_eta));
  }
}

void SamplerChain::accept(int32_t id) {
  for (const auto& stage : changing_) stage->accept(id);
  for (const auto& stage : choosing_) stage->accept(id);
}

void SamplerChain::check_bias(size_t vocab) const {
  if (largest_biased_ < static_cast<int64_t>(vocab)) return;
  fail(ErrorCode::kInvalidArgument, "a logit bias is for id {}, outside the vocabulary of {}",
       largest_biased_, vocab);
}

int32_t SamplerChain::sample(std::span<const float> logits) {
  check_bias(logits.size());
  const Choice choice = choose(logits);
  for (const auto& stage : changing_) stage->chosen(choice.id, choice.probability);
  for (const auto& stage : choosing_) stage->chosen(choice.id, choice.probability);
  accept(choice.id);
  return choice.id;
}

SamplerChain::Choice SamplerChain::choose(std::span<const float> logits) {
  candidates_.read(logits);
  for (const auto& stage : changing_) stage->apply(candidates_);
  // Nothing can be said of the others where the best is infinite.
  if (greedy_ || !std::isfinite(candidates_.best().logit)) return {candidates_.best().id, 1};
  for (const auto& stage : choosing_) stage->apply(candidates_);
  return draw();
}

SamplerChain::Choice SamplerChain::draw() {
  const Candidate* chosen = &candidates_.at(0);
  const double total = candidates_.total();
  double left = random_.uniform() * total;
  double likelihood = 1;
  for (size_t rank = 0; rank < candidates_.size() && left >= 0; ++rank) {
    const Candidate& candidate = candidates_.at(rank);
    const double value = candidates_.likelihood(candidate);
    if (value > 0) {  // rounding never ends on the impossible
      chosen = &candidate;
      likelihood = value;
    }
    left -= value;
  }
  return {chosen->id, likelihood / total};
}

}  // namespace octavo
