#include "backend/cuda/kernels/router.h"

#include "backend/cuda/kernels/instructions.cuh"

namespace octavo::cuda {
namespace {

constexpr int kThreads = 512, kWarps = kThreads / kWarp;
/// Rows of a block where there are many, so that the router is read less often.
constexpr int kManyRows = 4;
/// f32 tiles: a line is 16 rows of one column, 16 bytes of it four rows.
constexpr int kLineRows = 4, kLines = 16;

/// logits [kRows][kPanelRows] of one panel of the router, for rows first .. first + count - 1.
/// sums [kWarps] is scratch. All threads of the block call it.
template <int kRows>
__device__ void panel_logits(const float* x, int64_t stride, int count, const Matrix& router,
                             int panel, float (*sums)[kRows][kPanelRows]) {
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp, lane = thread % kWarp;
  // Only quarters of a line that have experts are read: two for eight experts. The same in every
  // panel, so that equal rows of the router give equal bits wherever they are.
  const int64_t experts = router.rows;
  const int quarters = experts > 2 * kLineRows ? 4 : experts > kLineRows ? 2 : 1;
  const int quarter = thread % quarters;
  const int64_t padded = (router.cols + kLines - 1) / kLines * kLines;
  const auto* lines = reinterpret_cast<const float4*>(router.data) + panel * padded * 4;
  float sum[kRows][kLineRows] = {};
#pragma unroll 4
  for (int64_t k = thread / quarters; k < router.cols; k += kThreads / quarters) {
    const float4 w = __ldg(lines + k * 4 + quarter);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const float value = r < count ? x[r * stride + k] : 0.0f;
      sum[r][0] += w.x * value;
      sum[r][1] += w.y * value;
      sum[r][2] += w.z * value;
      sum[r][3] += w.w * value;
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
#pragma unroll
    for (int i = 0; i < kLineRows; ++i) {
      for (int lanes = kWarp / 2; lanes >= quarters; lanes /= 2) {
        sum[r][i] += __shfl_xor_sync(kAllLanes, sum[r][i], lanes);
      }
      if (lane < quarters) sums[warp][r][lane * kLineRows + i] = sum[r][i];
    }
  }
}

/// The better of two experts, of which -1 is none; equal logits go to the lower index.
__device__ __forceinline__ int better(const float* logits, int a, int b) {
  if (a < 0 || b < 0) return max(a, b);
  if (logits[a] > logits[b]) return a;
  if (logits[b] > logits[a]) return b;
  return min(a, b);
}

/// The top_k largest of logits [experts] and their softmax, by one warp. taken [experts] is
/// scratch.
__device__ void choose(const float* logits, int experts, int top_k, bool* taken, int32_t* chosen,
                       float* weights) {
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  for (int e = lane; e < experts; e += kWarp) taken[e] = false;
  for (int rank = 0; rank < top_k; ++rank) {
    int best = -1;
    for (int e = lane; e < experts; e += kWarp) {
      if (!taken[e]) best = better(logits, best, e);
    }
    for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) {
      best = better(logits, best, __shfl_xor_sync(kAllLanes, best, lanes));
    }
    best = __shfl_sync(kAllLanes, best, 0);
    if (best % kWarp == lane) taken[best] = true;
    if (lane == 0) chosen[rank] = best;
  }
  __syncwarp();
  const float largest = logits[chosen[0]];
  float total = 0;
  for (int rank = 0; rank < top_k; ++rank) total += expf(logits[chosen[rank]] - largest);
  for (int rank = lane; rank < top_k; rank += kWarp) {
    weights[rank] = expf(logits[chosen[rank]] - largest) / total;
  }
}

// grid [rows / kRows]; dynamic shared memory: a flag for each expert and row of the block.
template <int kRows>
__global__ void __launch_bounds__(kThreads)
    route_rows(const float* x, int64_t stride, int rows, Matrix router, int top_k, float* logits,
               int32_t* experts, float* weights) {
  OCTAVO_DYNAMIC_SHARED(bool, taken);
  __shared__ float sums[kWarps][kRows][kPanelRows];
  const int first = static_cast<int>(blockIdx.x) * kRows, count = min(kRows, rows - first);
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp;
  const int all = static_cast<int>(router.rows);
  for (int panel = 0; panel * kPanelRows < all; ++panel) {
    panel_logits<kRows>(x + first * stride, stride, count, router, panel, sums);
    __syncthreads();
    const int r = thread / kPanelRows, e = panel * kPanelRows + thread % kPanelRows;
    if (r < count && e < all) {
      float sum = 0;
      for (int w = 0; w < kWarps; ++w) sum += sums[w][r][thread % kPanelRows];
      logits[int64_t{first + r} * all + e] = sum;
    }
    __syncthreads();
  }
  if (warp >= count) return;
  const int64_t row = first + warp;
  choose(logits + row * all, all, top_k, taken + warp * all, experts + row * top_k,
         weights + row * top_k);
}

// Block e counts the uses of the experts before e and gives those of e their slots. grid [experts]
__global__ void __launch_bounds__(kThreads)
    sort_uses(const int32_t* chosen, int uses, Slots slots) {
  __shared__ int warp_count[2][kWarps];
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp, lane = thread % kWarp;
  const int expert = static_cast<int>(blockIdx.x);
  int before = 0;
  for (int use = thread; use < uses; use += kThreads) before += chosen[use] < expert ? 1 : 0;
  before = warp_sum(before);
  if (lane == 0) warp_count[0][warp] = before;
  __syncthreads();
  int slot = 0;
  for (int w = 0; w < kWarps; ++w) slot += warp_count[0][w];
  __syncthreads();
  if (thread == 0) slots.offsets[expert] = slot;

  for (int first = 0, turn = 0; first < uses; first += kThreads, turn ^= 1) {
    const int use = first + thread;
    const bool mine = use < uses && chosen[use] == expert;
    const unsigned lanes = __ballot_sync(kAllLanes, mine);
    if (lane == 0) warp_count[turn][warp] = __popc(lanes);
    __syncthreads();  // the other half is counted in while this one is read
    int place = slot + __popc(lanes & ((1u << lane) - 1));
    for (int w = 0; w < kWarps; ++w) {
      if (w < warp) place += warp_count[turn][w];
      slot += warp_count[turn][w];
    }
    if (!mine) continue;
    slots.use_of[place] = use;
    slots.slot_of[use] = place;
  }
  if (thread == 0 && expert + 1 == static_cast<int>(gridDim.x)) slots.offsets[expert + 1] = slot;
}

}  // namespace

void route(const float* x, int64_t stride, int64_t rows, const Matrix& router, int64_t top_k,
           float* logits, int32_t* experts, float* weights, Stream stream) {
  const bool many = rows > kManyRows;
  const int each = many ? kManyRows : 1;
  const LaunchShape shape = {dim3(blocks_for(rows, each)), dim3(kThreads),
                             static_cast<size_t>(each * router.rows)};
  launch(many ? route_rows<kManyRows> : route_rows<1>, shape, stream, x, stride,
         static_cast<int>(rows), router, static_cast<int>(top_k), logits, experts, weights);
}

void sort_by_expert(const int32_t* chosen, int64_t rows, int64_t experts, const Slots& slots,
                    Stream stream) {
  launch(sort_uses, {dim3(static_cast<unsigned>(experts)), dim3(kThreads)}, stream, chosen,
         static_cast<int>(rows * slots.top_k), slots);
}

}  // namespace octavo::cuda
