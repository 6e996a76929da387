// What tests of sampling begin with: options that filter nothing, and draws that are counted.
#pragma once

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "octavo/octavo.hpp"

namespace octavo::test {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Nothing filtered, temperature 1.
inline SamplingOptions plain(uint64_t seed = 1) {
  return {.temperature = 1,
          .top_k = 0,
          .top_p = 1,
          .min_p = 0,
          .repeat_penalty = 1,
          .repeat_window = 64,
          .seed = seed};
}

inline std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  logits.reserve(probabilities.size());
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

inline std::map<int32_t, int> frequencies(const SamplingOptions& options,
                                          const std::vector<float>& logits, int draws) {
  Sampler sampler(options);
  std::map<int32_t, int> counts;
  for (int i = 0; i < draws; ++i) ++counts[sampler.sample(logits)];
  return counts;
}

/// The ids that ever come up.
inline std::set<int32_t> support(const SamplingOptions& options, const std::vector<float>& logits) {
  std::set<int32_t> ids;
  for (const auto& [id, count] : frequencies(options, logits, 4000)) ids.insert(id);
  return ids;
}

}  // namespace octavo::test
