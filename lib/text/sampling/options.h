// What may stand in SamplingOptions.
#pragma once

#include "octavo/octavo.hpp"

namespace octavo {

/// Throws Error(kInvalidArgument) naming the first field whose value is outside its range. Grammars
/// are looked at by whoever compiles them.
void check_sampling_options(const SamplingOptions& options);

}  // namespace octavo
