#include "text/sampling/options.h"

#include <cmath>

#include "core/error.h"

namespace octavo {
namespace {

/// Written so that a NaN fails too.
void require(bool valid, const char* what, double value) {
  if (!valid) fail(ErrorCode::kInvalidArgument, "{} (it is {})", what, value);
}

bool is_share(float value) { return value >= 0 && value <= 1; }
bool is_positive(float value) { return value > 0 && std::isfinite(value); }
bool is_not_negative(float value) { return value >= 0 && std::isfinite(value); }

void check_penalties(const SamplingOptions& options) {
  require(is_positive(options.repeat_penalty), "the repeat penalty must be more than 0",
          options.repeat_penalty);
  require(options.repeat_window >= 0, "the repeat window must be 0 or more", options.repeat_window);
  require(std::isfinite(options.frequency_penalty), "the frequency penalty must be a finite number",
          options.frequency_penalty);
  require(std::isfinite(options.presence_penalty), "the presence penalty must be a finite number",
          options.presence_penalty);
  require(is_not_negative(options.dry_multiplier), "the DRY multiplier must be 0 (off) or more",
          options.dry_multiplier);
  require(options.dry_base >= 1 && std::isfinite(options.dry_base),
          "the DRY base must be 1 or more", options.dry_base);
  require(options.dry_allowed_length >= 1, "the DRY allowed length must be 1 or more",
          options.dry_allowed_length);
  require(options.dry_window >= 0, "the DRY window must be 0 (all tokens) or more",
          options.dry_window);
  for (const auto& [id, bias] : options.logit_bias) {
    require(id >= 0, "the id of a logit bias must be 0 or more", id);
    require(bias < INFINITY, "a logit bias must be a number or minus infinity", bias);
  }
}

void check_truncation(const SamplingOptions& options) {
  require(options.top_k >= 0, "top-k must be 0 (off) or more", options.top_k);
  require(options.typical_p > 0 && options.typical_p <= 1,
          "typical-p must be more than 0 and at most 1 (off)", options.typical_p);
  require(is_share(options.top_p), "top-p must be between 0 and 1", options.top_p);
  require(is_share(options.min_p), "min-p must be between 0 and 1", options.min_p);
  require(is_share(options.xtc_probability), "the XTC probability must be between 0 (off) and 1",
          options.xtc_probability);
  require(options.xtc_threshold > 0 && options.xtc_threshold <= 1,
          "the XTC threshold must be more than 0 and at most 1", options.xtc_threshold);
}

void check_temperature(const SamplingOptions& options) {
  require(is_not_negative(options.temperature), "the temperature must be 0 or more",
          options.temperature);
  require(is_not_negative(options.dynatemp_range),
          "the dynamic temperature's range must be 0 (off) or more", options.dynatemp_range);
  require(is_positive(options.dynatemp_exponent),
          "the dynamic temperature's exponent must be more than 0", options.dynatemp_exponent);
  require(is_positive(options.mirostat_tau), "mirostat's tau must be more than 0",
          options.mirostat_tau);
  require(options.mirostat_eta > 0 && options.mirostat_eta <= 1,
          "mirostat's eta must be more than 0 and at most 1", options.mirostat_eta);
}

}  // namespace

void check_sampling_options(const SamplingOptions& options) {
  check_penalties(options);
  check_truncation(options);
  check_temperature(options);
  if (!options.grammar.empty() && !options.json_schema.empty()) {
    fail(ErrorCode::kInvalidArgument, "a grammar and a JSON schema exclude each other; give one");
  }
}

}  // namespace octavo
