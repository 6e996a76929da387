// What sampling should give, written down plainly: whole distributions, full sorts, no state.
#pragma once

#include <cstdint>
#include <vector>

#include "octavo/octavo.hpp"

namespace octavo::test {

/// [logits]: the probability that each id is drawn after `history`, by the formulas of
/// docs/sampling.md. Knows all stages but grammars and DRY's breakers; mirostat in its first step.
std::vector<double> plain_probabilities(const SamplingOptions& options,
                                        const std::vector<float>& logits,
                                        const std::vector<int32_t>& history);

/// For each id that came after an earlier occurrence of the last `n` tokens: the largest n.
/// Compares every place with the end.
std::vector<int> plain_repeats(const std::vector<int32_t>& tokens, int vocab);

/// Draws counts [ids]; throws std::runtime_error if an impossible id came up. Ids that are expected
/// less than 5 times count as one.
struct ChiSquare {
  double statistic = 0;
  int freedom = 0;
  /// About one seed in 10,000 is above.
  double bound() const;
};
ChiSquare chi_square(const std::vector<int>& counts, const std::vector<double>& probabilities);

}  // namespace octavo::test
