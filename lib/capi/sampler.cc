// Samplers and log probabilities in C.
#include "capi/objects.h"
#include "capi/structs.h"

using octavo::Sampler;
using octavo::capi::guarded;
using octavo::capi::require;
using octavo::capi::SamplerObject;
using octavo::capi::samplers;
using octavo::capi::SamplerUse;
using octavo::capi::sampling_options;

namespace octavo::capi {
namespace {

std::span<const float> logits_of(const float* logits, size_t vocab) {
  require(logits, "logits");
  if (vocab == 0 || vocab > std::numeric_limits<int32_t>::max()) {
    throw Failure{OCTAVO_INVALID_ARGUMENT, "there cannot be " + std::to_string(vocab) + " logits"};
  }
  return {logits, vocab};
}

}  // namespace
}  // namespace octavo::capi

extern "C" {

octavo_status octavo_sampler_create(const octavo_sampling_options* options,
                                    octavo_sampler** sampler) {
  return guarded([&] {
    require(sampler, "sampler");
    *sampler = nullptr;
    *sampler = samplers().add(std::make_shared<SamplerObject>(Sampler(sampling_options(options))));
  });
}

octavo_status octavo_sampler_create_for_model(const octavo_model* model,
                                              const octavo_sampling_options* options,
                                              octavo_sampler** sampler) {
  return guarded([&] {
    require(sampler, "sampler");
    *sampler = nullptr;
    const auto found = octavo::capi::models().find(model);
    *sampler =
        samplers().add(std::make_shared<SamplerObject>(Sampler(*found, sampling_options(options))));
  });
}

octavo_status octavo_sampler_free(octavo_sampler* sampler) {
  return guarded([&] {
    if (sampler != nullptr) samplers().remove(sampler);
  });
}

octavo_status octavo_sampler_accept(octavo_sampler* sampler, int32_t id) {
  return guarded([&] { SamplerUse(sampler)->sampler.accept(id); });
}

octavo_status octavo_sampler_sample(octavo_sampler* sampler, const float* logits, size_t vocab,
                                    int32_t* id) {
  return guarded([&] {
    const SamplerUse use(sampler);
    require(id, "id");
    *id = use->sampler.sample(octavo::capi::logits_of(logits, vocab));
  });
}

octavo_status octavo_sampler_continue_text(octavo_sampler* sampler) {
  return guarded([&] { SamplerUse(sampler)->sampler.continue_text(); });
}

octavo_status octavo_sampler_finished(octavo_sampler* sampler, int32_t* finished) {
  return guarded([&] {
    const SamplerUse use(sampler);
    require(finished, "finished");
    *finished = use->sampler.finished() ? 1 : 0;
  });
}

octavo_status octavo_logprobs(const float* logits, size_t vocab, int32_t id,
                              octavo_token_logprob* out, size_t capacity) {
  return guarded([&] {
    const auto all = octavo::capi::logits_of(logits, vocab);
    require(out, "out");
    if (capacity == 0 || capacity - 1 > vocab) {
      throw octavo::capi::Failure{OCTAVO_INVALID_ARGUMENT,
                                  "the capacity must be 1 to " + std::to_string(vocab + 1) +
                                      ": the token and the most likely of all"};
    }
    const auto found = Sampler::logprobs(all, id, static_cast<int>(capacity - 1));
    for (size_t i = 0; i < capacity; ++i) out[i] = {found.at(i).id, found.at(i).logprob};
  });
}
}
