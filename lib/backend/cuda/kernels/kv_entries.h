// Entries of the cache in the one plain order that every backend gives and takes (KvCache::read).
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/kv_view.h"
#include "backend/cuda/kernels/types.h"

namespace octavo::cuda {

/// Positions [first, first + count) of the view's layer to `entries` [count, 2 (key, value),
/// kv_heads, kv_head_bytes] in device memory.
void read_entries(const KvView& cache, int64_t first, int64_t count, std::byte* entries,
                  Stream stream);
/// The way back; the pages are there.
void write_entries(const KvView& cache, int64_t first, int64_t count, const std::byte* entries,
                   Stream stream);

}  // namespace octavo::cuda
