// Inside simd/: the tables that Highway generated, before one is chosen.
#pragma once

#include <vector>

#include "simd/kernels.h"

namespace octavo {

/// Tables of the instruction sets that this machine has, best first.
std::vector<const Kernels*> vector_tables();

}  // namespace octavo
