// Attention key by key, in f32: the slow twin of the other two kernels.
#include "backend/cuda/kernels/attention.h"
#include "backend/cuda/kernels/kv_access.cuh"
#include "backend/cuda/kernels/launch.h"

namespace octavo::cuda {
namespace {

/// One warp for row blockIdx.x and head blockIdx.y; lane l has the dimensions l, l + 32, ...
__global__ void __launch_bounds__(kWarp) attend_plain_kernel(AttentionRows rows, KvView cache) {
  OCTAVO_DYNAMIC_SHARED(float, sums);  // [row]: each lane's own
  const int r = static_cast<int>(blockIdx.x), h = static_cast<int>(blockIdx.y);
  const int lane = static_cast<int>(threadIdx.x), head_dim = cache.head_dim;
  const int position = *rows.position + rows.first + r;
  const int head = h / (rows.heads / cache.kv_heads);
  const float* query = rows.q + (int64_t{r} * rows.heads + h) * head_dim;
  const float scale = 1.0f / sqrtf(static_cast<float>(head_dim));

  for (int d = lane; d < head_dim; d += kWarp) sums[d] = 0.0f;
  float largest = -INFINITY, total = 0.0f;
  for (int p = oldest_seen(cache.window, position); p <= position; ++p) {
    const std::byte* keys = kv_keys(cache, head, p);
    const int slot = p % kKvPage;
    float score = 0.0f;
    for (int d = lane; d < head_dim; d += kWarp) {
      score += query[d] * load_one(cache.type, keys, cache.row, slot, d);
    }
    score = warp_sum(score) * scale;
    const float higher = fmaxf(largest, score), fade = expf(largest - higher);
    const float weight = expf(score - higher);
    total = total * fade + weight;
    for (int d = lane; d < head_dim; d += kWarp) {
      const float value = load_one(cache.type, keys + cache.side_bytes, cache.row, slot, d);
      sums[d] = sums[d] * fade + weight * value;
    }
    largest = higher;
  }
  float* out = rows.out + (int64_t{r} * rows.heads + h) * head_dim;
  for (int d = lane; d < head_dim; d += kWarp) out[d] = sums[d] / total;
}

}  // namespace

void attend_plain(const AttentionRows& rows, const KvView& cache, Stream stream) {
  const dim3 grid(static_cast<unsigned>(rows.rows), static_cast<unsigned>(rows.heads));
  launch(attend_plain_kernel, {grid, kWarp, sizeof(float) * static_cast<size_t>(cache.row)}, stream,
         rows, cache);
}

}  // namespace octavo::cuda
