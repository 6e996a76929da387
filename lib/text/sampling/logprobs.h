// Log probabilities of a model's own distribution, before any stage.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "octavo/octavo.hpp"

namespace octavo {

/// Of `id` first, then of the `count` most likely ones. Throws Error(kInvalidArgument).
std::vector<TokenLogprob> log_probabilities(std::span<const float> logits, int32_t id, int count);

}  // namespace octavo
