// Decode attention: split over the keys, so that one token fills the device.
//
// A block takes one part of the keys for one row and kv head: scores of all query heads of the
// group (the keys are read once), their softmax within the part, their sums of values.
// merge_parts_kernel puts the parts of a row together in the order of the sequence.
#include "backend/cuda/kernels/attention.h"
#include "backend/cuda/kernels/kv_access.cuh"
#include "backend/cuda/kernels/launch.h"
#include "backend/cuda/kernels/quantize.cuh"

namespace octavo::cuda {
namespace {

constexpr int kThreads = 128, kWarps = kThreads / 32;
/// Query heads whose sums a thread keeps at once; a warp weighs the scores of one.
constexpr int kHeads = 4;
static_assert(kHeads == kWarps);

/// Where a part's results lie: sums [row], then the largest score and the total.
__device__ float* part_results(float* scratch, int64_t query, int parts, int part, int row) {
  return scratch + (query * parts + part) * (row + 2);
}

/// How the threads lie over a part: `lanes` neighbours share a key, 8 dimensions each.
struct Layout {
  int lanes, chunk, key, step;
  bool idle;  ///< no dimensions left for this one
};
__device__ Layout layout_of(int row) {
  int lanes = 4;
  while (8 * lanes < row) lanes *= 2;
  const int thread = static_cast<int>(threadIdx.x), chunk = thread % lanes;
  return {lanes, chunk, thread / lanes, kThreads / lanes, 8 * chunk >= row};
}

/// The keys of a part, counted from its beginning; of them [first, last] are seen.
struct PartKeys {
  std::byte *near, *far;  ///< the head's keys in the first page and in the second
  int first, last;
  __device__ bool sees(int key) const { return key >= first && key <= last; }
  __device__ const std::byte* keys(int key) const { return key < kKvPage ? near : far; }
};
static_assert(kAttendPart == 2 * kKvPage);

/// scores [kHeads][kAttendPart]: to the base 2, minus infinity where a key is not seen.
template <KvType kType>
__device__ void score_part(const KvView& cache, const PartKeys& part, const float* queries,
                           int count, float (*scores)[kAttendPart]) {
  const Layout at = layout_of(cache.row);
  const float scale = 1.4426950408889634f / sqrtf(static_cast<float>(cache.head_dim));
  float q[kHeads][8];
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int d = 8 * at.chunk + i;
      const bool there = h < count && d < cache.head_dim;
      q[h][i] = there ? queries[h * cache.head_dim + d] * scale : 0.0f;
    }
  }
#pragma unroll 4
  for (int key = at.key; key < kAttendPart; key += at.step) {
    const bool seen = part.sees(key);
    float k[8] = {};
    if (seen && !at.idle) {
      load_eight<kType>(part.keys(key), cache.row, key % kKvPage, at.chunk, k);
    }
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      float score = 0.0f;
#pragma unroll
      for (int i = 0; i < 8; ++i) score += q[h][i] * k[i];
      for (int step = at.lanes / 2; step > 0; step /= 2) {
        score += __shfl_xor_sync(kAllLanes, score, step);
      }
      if (at.chunk == 0) scores[h][key] = seen ? score : -INFINITY;
    }
  }
}

/// Softmax of one head's scores by one warp: they become weights relative to the largest.
__device__ void weigh_part(float* scores, float& largest, float& total) {
  constexpr int kEach = kAttendPart / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  float score[kEach];
  largest = -INFINITY;
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    score[i] = scores[lane + 32 * i];
    largest = fmaxf(largest, score[i]);
  }
  largest = warp_max(largest);
  total = 0.0f;
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    const float weight = exp2f(score[i] - largest);
    scores[lane + 32 * i] = weight;
    total += weight;
  }
  total = warp_sum(total);
}

/// sums [kWarps][kHeads][kAttendFewRow]: of each warp's keys.
template <KvType kType>
__device__ void sum_part(const KvView& cache, const PartKeys& part,
                         const float (*weights)[kAttendPart],
                         float (*sums)[kHeads][kAttendFewRow]) {
  const Layout at = layout_of(cache.row);
  float sum[kHeads][8] = {};
#pragma unroll 4
  for (int key = at.key; key < kAttendPart; key += at.step) {
    if (!part.sees(key) || at.idle) continue;
    float v[8];
    load_eight<kType>(part.keys(key) + cache.side_bytes, cache.row, key % kKvPage, at.chunk, v);
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      const float weight = weights[h][key];
#pragma unroll
      for (int i = 0; i < 8; ++i) sum[h][i] += weight * v[i];
    }
  }
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      for (int step = at.lanes; step < 32; step *= 2) {
        sum[h][i] += __shfl_xor_sync(kAllLanes, sum[h][i], step);
      }
      if (lane < at.lanes && !at.idle) sums[warp][h][8 * at.chunk + i] = sum[h][i];
    }
  }
}

/// blockIdx: part, kv head, row.
template <KvType kType>
__global__ void __launch_bounds__(kThreads)
    attend_part_kernel(AttentionRows rows, KvView cache, int parts, float* scratch) {
  __shared__ float scores[kHeads][kAttendPart];
  __shared__ float sums[kWarps][kHeads][kAttendFewRow];
  const int part = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y);
  const int r = static_cast<int>(blockIdx.z), warp = static_cast<int>(threadIdx.x) / 32;
  const int position = *rows.position + rows.first + r;
  const int oldest = oldest_seen(cache.window, position);
  const int begin = (oldest / kAttendPart + part) * kAttendPart;
  if (begin > position) return;
  // The second page may not be there where the keys end before it.
  const PartKeys keys = {kv_keys(cache, head, begin),
                         kv_keys(cache, head, min(begin + kKvPage, position)),
                         max(oldest - begin, 0), min(position - begin, kAttendPart - 1)};
  const int group = rows.heads / cache.kv_heads;

  for (int done = 0; done < group; done += kHeads) {
    const int count = min(kHeads, group - done);
    const int64_t query = int64_t{r} * rows.heads + head * group + done;
    score_part<kType>(cache, keys, rows.q + query * cache.head_dim, count, scores);
    __syncthreads();
    float largest, total;
    weigh_part(scores[warp], largest, total);
    __syncthreads();
    sum_part<kType>(cache, keys, scores, sums);
    __syncthreads();
    if (warp < count) {
      float* results = part_results(scratch, query + warp, parts, part, cache.row);
      const int lane = static_cast<int>(threadIdx.x) % 32;
      for (int d = lane; d < cache.row; d += 32) {
        float sum = 0.0f;
        for (int w = 0; w < kWarps; ++w) sum += sums[w][warp][d];
        results[d] = sum;
      }
      if (lane == 0) results[cache.row] = largest, results[cache.row + 1] = total;
    }
  }
}

constexpr int kMergeThreads = 128;

/// blockIdx: query head, row.
__global__ void __launch_bounds__(kMergeThreads)
    merge_parts_kernel(AttentionRows rows, KvView cache, int parts, float* scratch, Q8 q8) {
  const int r = static_cast<int>(blockIdx.y), row = cache.row;
  const int position = *rows.position + rows.first + r;
  const int oldest = oldest_seen(cache.window, position);
  const int count = position / kAttendPart - oldest / kAttendPart + 1;
  const int64_t query = int64_t{r} * rows.heads + blockIdx.x;
  const float* results = part_results(scratch, query, parts, 0, row);
  float largest = -INFINITY, total = 0.0f;
  for (int i = 0; i < count; ++i) largest = fmaxf(largest, results[i * (row + 2) + row]);
  for (int i = 0; i < count; ++i) {
    const float* part = results + i * (row + 2);
    total += part[row + 1] * exp2f(part[row] - largest);
  }
  for (int d = static_cast<int>(threadIdx.x); d < cache.head_dim; d += kMergeThreads) {
    float sum = 0.0f;
    for (int i = 0; i < count; ++i) {
      const float* part = results + i * (row + 2);
      sum += part[d] * exp2f(part[row] - largest);
    }
    const float value = sum / total;
    rows.out[query * cache.head_dim + d] = value;
    if (q8.q != nullptr) quantize_block(value, r, int64_t{blockIdx.x} * cache.head_dim + d, q8);
  }
}

template <KvType kType>
void attend(const AttentionRows& rows, const KvView& cache, int parts, float* scratch,
            Stream stream) {
  const dim3 grid(static_cast<unsigned>(parts), static_cast<unsigned>(cache.kv_heads),
                  static_cast<unsigned>(rows.rows));
  launch(attend_part_kernel<kType>, {grid, kThreads, 0}, stream, rows, cache, parts, scratch);
}

}  // namespace

void attend_few(const AttentionRows& rows, const KvView& cache, int parts, float* scratch,
                const Q8& q8, Stream stream) {
  switch (cache.type) {
    case KvType::kF32:
      attend<KvType::kF32>(rows, cache, parts, scratch, stream);
      break;
    case KvType::kF16:
      attend<KvType::kF16>(rows, cache, parts, scratch, stream);
      break;
    case KvType::kBF16:
      attend<KvType::kBF16>(rows, cache, parts, scratch, stream);
      break;
    case KvType::kQ8_0:
      attend<KvType::kQ8_0>(rows, cache, parts, scratch, stream);
      break;
  }
  const dim3 grid(static_cast<unsigned>(rows.heads), static_cast<unsigned>(rows.rows));
  launch(merge_parts_kernel, {grid, kMergeThreads, 0}, stream, rows, cache, parts, scratch, q8);
}

}  // namespace octavo::cuda
