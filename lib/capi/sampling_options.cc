// Sampling options in C.
#include "capi/structs.h"

namespace octavo::capi {
namespace {

std::string text_or_none(const char* text) { return text == nullptr ? "" : text; }

std::vector<std::pair<int32_t, float>> biases_of(const octavo_sampling_options& read) {
  std::vector<std::pair<int32_t, float>> result;
  for (const octavo_logit_bias& each :
       array_of(read.logit_bias, read.logit_bias_count, "logit_bias")) {
    result.emplace_back(each.id, each.bias);
  }
  return result;
}

}  // namespace

octavo_sampling_options sampling_defaults() {
  // Never destroyed: their strings are handed out.
  static const SamplingOptions& defaults = *new SamplingOptions;
  static const auto& breakers = *new std::vector<const char*>([] {
    std::vector<const char*> pointers;
    for (const std::string& breaker : defaults.dry_breakers) pointers.push_back(breaker.c_str());
    return pointers;
  }());
  return {.struct_size = sizeof(octavo_sampling_options),
          .temperature = defaults.temperature,
          .top_p = defaults.top_p,
          .min_p = defaults.min_p,
          .repeat_penalty = defaults.repeat_penalty,
          .top_k = defaults.top_k,
          .repeat_window = defaults.repeat_window,
          .seed = defaults.seed,
          .frequency_penalty = defaults.frequency_penalty,
          .presence_penalty = defaults.presence_penalty,
          .dry_multiplier = defaults.dry_multiplier,
          .dry_base = defaults.dry_base,
          .dry_allowed_length = defaults.dry_allowed_length,
          .dry_window = defaults.dry_window,
          .dry_breakers = breakers.data(),
          .dry_breaker_count = breakers.size(),
          .typical_p = defaults.typical_p,
          .xtc_probability = defaults.xtc_probability,
          .xtc_threshold = defaults.xtc_threshold,
          .dynatemp_range = defaults.dynatemp_range,
          .dynatemp_exponent = defaults.dynatemp_exponent,
          .mirostat = defaults.mirostat,
          .mirostat_tau = defaults.mirostat_tau,
          .mirostat_eta = defaults.mirostat_eta,
          .logit_bias = nullptr,
          .logit_bias_count = 0,
          .grammar = nullptr,
          .json_schema = nullptr};
}

SamplingOptions sampling_options(const octavo_sampling_options* given) {
  octavo_sampling_options read = read_struct(given, sampling_defaults());
  // A size that ends between the array and its count knows neither.
  if (read.struct_size == offsetof(octavo_sampling_options, dry_breaker_count)) {
    read.dry_breakers = sampling_defaults().dry_breakers;
  }
  return {.temperature = read.temperature,
          .top_k = read.top_k,
          .top_p = read.top_p,
          .min_p = read.min_p,
          .typical_p = read.typical_p,
          .repeat_penalty = read.repeat_penalty,
          .repeat_window = read.repeat_window,
          .seed = read.seed,
          .frequency_penalty = read.frequency_penalty,
          .presence_penalty = read.presence_penalty,
          .dry_multiplier = read.dry_multiplier,
          .dry_base = read.dry_base,
          .dry_allowed_length = read.dry_allowed_length,
          .dry_window = read.dry_window,
          .dry_breakers = strings_of(read.dry_breakers, read.dry_breaker_count, "dry_breakers"),
          .xtc_probability = read.xtc_probability,
          .xtc_threshold = read.xtc_threshold,
          .dynatemp_range = read.dynatemp_range,
          .dynatemp_exponent = read.dynatemp_exponent,
          .mirostat = flag_of(read.mirostat, "mirostat"),
          .mirostat_tau = read.mirostat_tau,
          .mirostat_eta = read.mirostat_eta,
          .logit_bias = biases_of(read),
          .grammar = text_or_none(read.grammar),
          .json_schema = text_or_none(read.json_schema)};
}

}  // namespace octavo::capi

extern "C" octavo_status octavo_sampling_options_init(octavo_sampling_options* options,
                                                      size_t struct_size) {
  return octavo::capi::init(options, struct_size, octavo::capi::sampling_defaults());
}
