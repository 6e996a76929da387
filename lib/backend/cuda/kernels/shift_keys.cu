// Context shift: entries move to earlier positions, their keys rotate back.
#include "backend/cuda/kernels/attention.h"
#include "backend/cuda/kernels/kv_access.cuh"
#include "backend/cuda/kernels/launch.h"

namespace octavo::cuda {
namespace {

constexpr int kThreads = 64;

/// What a block moves: one kv head of one position (blockIdx.x) in one layer (blockIdx.z).
struct Place {
  int64_t position;
  std::byte* keys;     ///< of the head in the page of the position
  std::byte* scratch;  ///< key [entry], value [entry]
  int64_t entry;       ///< bytes of a row: floats, or quants and then scales
};
__device__ Place place_of(const ShiftedEntries& entries, const KvView& cache, int64_t moved) {
  const auto i = static_cast<int64_t>(blockIdx.x), head = static_cast<int64_t>(blockIdx.y);
  const auto layer = static_cast<int64_t>(blockIdx.z);
  Place place;
  place.position = entries.first + i - moved;
  place.keys = kv_keys(cache, static_cast<int>(head), static_cast<int>(place.position)) +
               layer * entries.layer_bytes;
  place.entry = cache.side_bytes / kKvPage;
  place.scratch =
      entries.scratch + ((layer * entries.count + i) * cache.kv_heads + head) * 2 * place.entry;
  return place;
}

/// Copies a row of `side` to `kept` or back, byte for byte.
template <bool kToScratch>
__device__ void copy_row(const KvView& cache, std::byte* side, int slot, std::byte* kept,
                         int64_t entry) {
  const bool q8 = cache.type == KvType::kQ8_0;
  const int64_t numbers = q8 ? cache.row : entry;
  for (int64_t i = threadIdx.x; i < entry; i += kThreads) {
    std::byte* const stored =
        side + (i < numbers ? slot * numbers + i : kv_scale_at(cache.row, slot, 0) + i - numbers);
    if (kToScratch) {
      kept[i] = *stored;
    } else {
      *stored = kept[i];
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    read_shifted_kernel(ShiftedEntries entries, KvView cache) {
  OCTAVO_DYNAMIC_SHARED(float, key);  // [row]
  const Place at = place_of(entries, cache, 0);
  const int slot = static_cast<int>(at.position % kKvPage), half = cache.head_dim / 2;
  for (int i = static_cast<int>(threadIdx.x); i < half; i += kThreads) {
    // From the angle that the key was given, which f32 rounded, to that of its new position.
    const float frequency = entries.frequencies[i];
    const auto before = static_cast<double>(static_cast<float>(at.position) * frequency);
    const auto after =
        static_cast<double>(static_cast<float>(at.position - entries.by) * frequency);
    const auto cosine = static_cast<float>(cos(after - before));
    const auto sine = static_cast<float>(sin(after - before));
    const float a = load_one(cache.type, at.keys, cache.row, slot, i);
    const float b = load_one(cache.type, at.keys, cache.row, slot, i + half);
    key[i] = a * cosine - b * sine;
    key[i + half] = a * sine + b * cosine;
  }
  for (int d = cache.head_dim + static_cast<int>(threadIdx.x); d < cache.row; d += kThreads) {
    key[d] = 0.0f;
  }
  __syncthreads();
  // Rounded where it lies: a position that is read here is not needed any more as it was.
  store_row(cache.type, key, at.keys, cache.row, slot);
  __syncthreads();
  copy_row<true>(cache, at.keys, slot, at.scratch, at.entry);
  copy_row<true>(cache, at.keys + cache.side_bytes, slot, at.scratch + at.entry, at.entry);
}

__global__ void __launch_bounds__(kThreads)
    write_shifted_kernel(ShiftedEntries entries, KvView cache) {
  const Place at = place_of(entries, cache, entries.by);
  const int slot = static_cast<int>(at.position % kKvPage);
  copy_row<false>(cache, at.keys, slot, at.scratch, at.entry);
  copy_row<false>(cache, at.keys + cache.side_bytes, slot, at.scratch + at.entry, at.entry);
}

dim3 grid_of(const ShiftedEntries& entries, const KvView& cache) {
  return dim3(static_cast<unsigned>(entries.count), static_cast<unsigned>(cache.kv_heads),
              static_cast<unsigned>(entries.layers));
}

}  // namespace

void read_shifted(const ShiftedEntries& entries, const KvView& cache, Stream stream) {
  launch(read_shifted_kernel,
         {grid_of(entries, cache), kThreads, sizeof(float) * static_cast<size_t>(cache.row)},
         stream, entries, cache);
}

void write_shifted(const ShiftedEntries& entries, const KvView& cache, Stream stream) {
  launch(write_shifted_kernel, {grid_of(entries, cache), kThreads, 0}, stream, entries, cache);
}

}  // namespace octavo::cuda
