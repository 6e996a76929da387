// Rotary embedding, and appending to the cache.
#include <algorithm>

#include "backend/cuda/kernels/attention.h"
#include "backend/cuda/kernels/kv_access.cuh"
#include "backend/cuda/kernels/launch.h"

namespace octavo::cuda {
namespace {

constexpr int kThreads = 64;

/// Values [row] rotated from `from` [head_dim] to `to`; zeros behind.
__device__ void rotate(const float* from, float* to, int head_dim, int row, float position,
                       const float* frequencies) {
  const int half = head_dim / 2;
  for (int i = static_cast<int>(threadIdx.x); i < half; i += kThreads) {
    float sine, cosine;
    sincosf(position * frequencies[i], &sine, &cosine);
    const float a = from[i], b = from[i + half];
    to[i] = a * cosine - b * sine;
    to[i + half] = a * sine + b * cosine;
  }
  for (int d = head_dim + static_cast<int>(threadIdx.x); d < row; d += kThreads) to[d] = 0.0f;
}

/// blockIdx.x: row; blockIdx.y: a query head, or a kv head behind those.
__global__ void __launch_bounds__(kThreads) rope_append_kernel(AttentionRows rows, KvView cache) {
  OCTAVO_DYNAMIC_SHARED(float, values);  // [row]
  const int r = static_cast<int>(blockIdx.x), h = static_cast<int>(blockIdx.y);
  const int head_dim = cache.head_dim;
  const int position = *rows.position + rows.first + r;
  if (h < rows.heads) {
    float* query = rows.q + (int64_t{r} * rows.heads + h) * head_dim;
    rotate(query, query, head_dim, head_dim, static_cast<float>(position), rows.frequencies);
    return;
  }
  const int head = h - rows.heads, slot = position % kKvPage;
  const int64_t at = (int64_t{r} * cache.kv_heads + head) * head_dim;
  std::byte* const keys = kv_keys(cache, head, position);
  rotate(rows.k + at, values, head_dim, cache.row, static_cast<float>(position), rows.frequencies);
  __syncthreads();
  store_row(cache.type, values, keys, cache.row, slot);
  // Each thread stores the values that it brought: no barrier.
  for (int d = static_cast<int>(threadIdx.x); d < head_dim; d += kThreads) {
    values[d] = rows.v[at + d];
  }
  store_row(cache.type, values, keys + cache.side_bytes, cache.row, slot);
}

}  // namespace

void rope_append(const AttentionRows& rows, const KvView& cache, Stream stream) {
  const dim3 grid(static_cast<unsigned>(rows.rows),
                  static_cast<unsigned>(rows.heads + cache.kv_heads));
  launch(rope_append_kernel, {grid, kThreads, sizeof(float) * static_cast<size_t>(cache.row)},
         stream, rows, cache);
}

}  // namespace octavo::cuda
