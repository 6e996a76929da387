// The scalar twins of the attention kernels, for the table in scalar_kernels.cc.
#pragma once

#include "simd/kernels.h"

namespace octavo::scalar {

void attend(CacheFormat format, const float* q, int64_t group, int64_t head_dim, float scale,
            std::span<const KvRun> runs, float* scores, float* out);
void attend_tile(const AttendTile& tile, float* scratch);

}  // namespace octavo::scalar
