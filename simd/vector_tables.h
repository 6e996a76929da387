// Inside simd/: the tables that Highway generated, before one is chosen.
#pragma once

#include <vector>

#include "simd/kernels.h"

namespace octavo {

/// Tables of the instruction sets that this machine has, best first.
std::vector<const Kernels*> vector_tables();

/// AVX2 or NEON with the dot-product instructions, whether the machine has them or not; null where
/// the compiler cannot make it.
const Kernels* dot_product_table();

}  // namespace octavo
