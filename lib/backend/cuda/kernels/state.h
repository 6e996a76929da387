// Small values that change from token to token, put into device memory. They travel as a kernel's
// arguments: nothing on the host has to stay as it is until they are there.
#pragma once

#include <cstdint>
#include <span>

#include "backend/cuda/kernels/types.h"

namespace octavo::cuda {

/// to[i] = values[i], any number of them.
void set_ints(int32_t* to, std::span<const int32_t> values, Stream stream);
/// table[index] = page
void set_page(std::byte** table, int64_t index, std::byte* page, Stream stream);

}  // namespace octavo::cuda
