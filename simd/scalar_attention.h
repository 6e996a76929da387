// The scalar twin of the attention kernel, for the table in scalar_kernels.cc.
#pragma once

#include "simd/kernels.h"

namespace octavo::scalar {

void attend_tile(const AttendTile& tile, float* scratch);

}  // namespace octavo::scalar
