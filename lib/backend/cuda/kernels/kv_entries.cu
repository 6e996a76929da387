#include "backend/cuda/kernels/kv_entries.h"

#include "backend/cuda/kernels/kv_access.cuh"
#include "backend/cuda/kernels/launch.h"

namespace octavo::cuda {
namespace {

constexpr int kThreads = 64;
/// A block of q8_0 as it is written down: a float16 scale and 32 quants.
constexpr int kQ8BlockBytes = 2 + kKvStrip;

/// Byte i of a head's key or value, as it is written down, lies here in the page's side.
__device__ int64_t stored_at(const KvView& cache, int slot, int64_t i) {
  if (cache.type != KvType::kQ8_0) {
    const int64_t bytes = cache.type == KvType::kF32 ? 4 : 2;
    return slot * cache.row * bytes + i;
  }
  const auto strip = static_cast<int>(i / kQ8BlockBytes);
  const int64_t within = i % kQ8BlockBytes;
  return within < 2 ? kv_scale_at(cache.row, slot, strip) + within
                    : slot * cache.row + strip * kKvStrip + within - 2;
}

/// One position (blockIdx.x), kv head (y) and side (z).
template <bool kWrite>
__global__ void __launch_bounds__(kThreads)
    entries_kernel(KvView cache, int64_t first, int64_t head_bytes, std::byte* entries) {
  const int64_t position = first + blockIdx.x;
  const auto head = static_cast<int>(blockIdx.y);
  std::byte* const side = kv_keys(cache, head, position) + blockIdx.z * cache.side_bytes;
  std::byte* const entry =
      entries + ((int64_t{blockIdx.x} * 2 + blockIdx.z) * cache.kv_heads + head) * head_bytes;
  const auto slot = static_cast<int>(position % kKvPage);
  for (int64_t i = threadIdx.x; i < head_bytes; i += kThreads) {
    if constexpr (kWrite) {
      side[stored_at(cache, slot, i)] = entry[i];
    } else {
      entry[i] = side[stored_at(cache, slot, i)];
    }
  }
}

template <bool kWrite>
void move_entries(const KvView& cache, int64_t first, int64_t count, std::byte* entries,
                  Stream stream) {
  const dim3 grid(static_cast<unsigned>(count), static_cast<unsigned>(cache.kv_heads), 2);
  launch(entries_kernel<kWrite>, {grid, kThreads}, stream, cache, first,
         kv_head_bytes(cache.type, cache.head_dim), entries);
}

}  // namespace

void read_entries(const KvView& cache, int64_t first, int64_t count, std::byte* entries,
                  Stream stream) {
  move_entries<false>(cache, first, count, entries, stream);
}

void write_entries(const KvView& cache, int64_t first, int64_t count, const std::byte* entries,
                   Stream stream) {
  move_entries<true>(cache, first, count, const_cast<std::byte*>(entries), stream);
}

}  // namespace octavo::cuda
