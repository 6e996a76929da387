// The parts of measuring the CPU.
#pragma once

#include <vector>

#include "octavo/machine.hpp"
#include "simd/kernels.h"

namespace octavo {

/// Reads more memory than any cache holds, in every pattern and size of pages; best of all passes.
StreamSpeed measure_stream(int threads);
/// Best of several passes of each unit, with those that `kernels` uses in front.
std::vector<UnitSpeed> measure_units(const Kernels& kernels, int threads);

}  // namespace octavo
