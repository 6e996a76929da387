// Class Sampler: the chain of stages with what the model knows.
#include <algorithm>

#include "api/model_impl.h"
#include "core/error.h"
#include "octavo/octavo.hpp"
#include "text/grammar/grammar_stage.h"
#include "text/sampling/chain.h"
#include "text/sampling/logprobs.h"
#include "text/sampling/options.h"

namespace octavo {
namespace {

/// [ids]: whether a token's text has one of DRY's breakers.
std::vector<bool> breaker_tokens(const Tokenizer& tokenizer,
                                 const std::vector<std::string>& breakers) {
  std::vector<bool> result(static_cast<size_t>(tokenizer.size()));
  for (int32_t id = 0; id < tokenizer.size(); ++id) {
    const std::string text = tokenizer.piece(id).text;
    result[static_cast<size_t>(id)] =
        std::any_of(breakers.begin(), breakers.end(), [&text](const std::string& breaker) {
          return !breaker.empty() && text.find(breaker) != text.npos;
        });
  }
  return result;
}

std::function<bool(int32_t)> breaker_test(const Tokenizer* tokenizer,
                                          const SamplingOptions& options) {
  if (tokenizer == nullptr || options.dry_multiplier == 0) return {};
  return [is_breaker = breaker_tokens(*tokenizer, options.dry_breakers)](int32_t id) {
    return id >= 0 && static_cast<size_t>(id) < is_breaker.size() &&
           is_breaker[static_cast<size_t>(id)];
  };
}

}  // namespace

struct Sampler::Impl {
  /// `opened`: null for a sampler without a model.
  Impl(std::shared_ptr<const Model::Impl> opened, const SamplingOptions& options)
      : model(std::move(opened)),
        chain(options, make_grammar(options),
              breaker_test(model ? model->tokenizer.get() : nullptr, options)) {
    if (model) chain.check_bias(static_cast<size_t>(model->info.vocab));
  }

  std::unique_ptr<SamplerStage> make_grammar(const SamplingOptions& options) {
    check_sampling_options(options);  // before its grammar is looked at
    const std::shared_ptr<const Grammar> requested = requested_grammar(options);
    if (requested == nullptr) return nullptr;
    if (model == nullptr) {
      fail(ErrorCode::kInvalidArgument,
           "a grammar needs a vocabulary: make the sampler with the model");
    }
    auto stage = std::make_unique<GrammarStage>(requested, model->require_tokenizer(),
                                                *model->tries, model->info.eos);
    grammar = stage.get();
    return stage;
  }

  std::shared_ptr<const Model::Impl> model;
  GrammarStage* grammar = nullptr;  ///< in the chain; null: none
  SamplerChain chain;
};

Sampler::Sampler(const SamplingOptions& options)
    : impl_(std::make_unique<Impl>(nullptr, options)) {}
Sampler::Sampler(const Model& model, const SamplingOptions& options)
    : impl_(std::make_unique<Impl>(model.impl(), options)) {}
Sampler::~Sampler() = default;
Sampler::Sampler(Sampler&&) noexcept = default;
Sampler& Sampler::operator=(Sampler&&) noexcept = default;

void Sampler::check(const SamplingOptions& options) {
  check_sampling_options(options);
  requested_grammar(options);
}

void Sampler::accept(int32_t id) { impl_->chain.accept(id); }

void Sampler::continue_text() {
  if (impl_->grammar != nullptr) impl_->grammar->continue_text();
}

int32_t Sampler::sample(std::span<const float> logits) {
  if (logits.empty()) fail(ErrorCode::kInvalidArgument, "there are no logits to sample from");
  const auto count = static_cast<int64_t>(logits.size());
  if (impl_->model && count != impl_->model->info.vocab) {
    fail(ErrorCode::kInvalidArgument, "{} logits are none of a model with a vocabulary of {}",
         count, impl_->model->info.vocab);
  }
  return impl_->chain.sample(logits);
}

bool Sampler::finished() const { return impl_->grammar != nullptr && impl_->grammar->finished(); }

std::vector<TokenLogprob> Sampler::logprobs(std::span<const float> logits, int32_t id, int count) {
  return log_probabilities(logits, id, count);
}

}  // namespace octavo
