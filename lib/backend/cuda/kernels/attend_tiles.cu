// Prefill attention on tensor cores, after FlashAttention-2 (arXiv 2307.08691).
//
// A block of four warps takes 64 query rows of one kv head: tokens times the heads of its group, so
// that a page of keys and values is read once for the whole group. Each warp has 16 of the rows,
// its queries, scores and sums in registers; pages of 64 positions go through two buffers in shared
// memory, one being filled while the other is used. Products are f16, which pages of bf16 and q8_0
// become on their way; sums and softmax are f32.
#include "backend/cuda/kernels/attention.h"
#include "backend/cuda/kernels/instructions.cuh"
#include "backend/cuda/kernels/kv_access.cuh"
#include "backend/cuda/kernels/launch.h"

namespace octavo::cuda {
namespace {

constexpr int kThreads = 128, kQueryRows = 64, kWarpRows = 16;
/// Keys whose scores a warp has at once: half a page, so that all fits the registers.
constexpr int kKeys = 32;

/// Two numbers as f16, the first in the low half. f16 keeps more digits of a weight than bf16, and
/// no key, value or query comes near its largest number: those that did would stay there.
__device__ uint32_t pack(float low, float high) {
  const auto bits = [](float x) {
    return float_to_half_bits(fminf(fmaxf(x, -65504.0f), 65504.0f));
  };
  return bits(low) | bits(high) << 16;
}

/// A page of one side in shared memory: [64 positions][kDim] of 16 bits; the 16-byte chunks of a
/// row are permuted by its number, so that the eight rows of a matrix lie in different banks.
template <int kDim>
struct PageTile {
  static constexpr int kChunks = kDim / 8;
  uint4 chunks[kKvPage * kChunks];
  __device__ uint4* at(int position, int chunk) {
    return chunks + position * kChunks + (chunk ^ position % 8);
  }
};

template <int kDim>
struct Buffers {
  PageTile<kDim> keys[2], values[2];
};

/// Starts to bring one side of a page to `tile`; dimensions from `row` on are zeros.
template <KvType kType, int kDim>
__device__ void fetch_side(const std::byte* side, int row, PageTile<kDim>& tile) {
  constexpr int kChunks = kDim / 8;
  for (int i = static_cast<int>(threadIdx.x); i < kKvPage * kChunks; i += kThreads) {
    const int position = i / kChunks, chunk = i % kChunks;
    uint4* const to = tile.at(position, chunk);
    if (8 * chunk >= row) {
      *to = make_uint4(0, 0, 0, 0);
    } else if constexpr (kType != KvType::kF16) {
      float x[8];
      load_eight<kType>(side, row, position, chunk, x);
      *to = make_uint4(pack(x[0], x[1]), pack(x[2], x[3]), pack(x[4], x[5]), pack(x[6], x[7]));
    } else {
      copy_async(to, side + (position * row + 8 * chunk) * 2);
    }
  }
}

template <KvType kType, int kDim>
__device__ void fetch_page(const KvView& cache, int head, int position, Buffers<kDim>& buffers,
                           int buffer) {
  const std::byte* keys = kv_keys(cache, head, position);
  fetch_side<kType>(keys, cache.row, buffers.keys[buffer]);
  fetch_side<kType>(keys + cache.side_bytes, cache.row, buffers.values[buffer]);
  commit_copies();
}

/// The rows of a thread: lane / 4 and 8 more of its warp's 16, as mma's fragments have them.
struct QueryRow {
  int token;       ///< of the call; a row behind the last one repeats the last token
  int position;    ///< of that token
  int64_t offset;  ///< of its query and its output
  bool there;
};
__device__ QueryRow query_row(const AttentionRows& rows, const KvView& cache, int index, int head) {
  const int group = rows.heads / cache.kv_heads;
  QueryRow row;
  row.there = index < rows.rows * group;
  const int held = row.there ? index : rows.rows * group - 1;
  row.token = held / group;
  row.position = *rows.position + rows.first + row.token;
  row.offset = (int64_t{row.token} * rows.heads + head * group + held % group) * cache.head_dim;
  return row;
}

/// a: fragments of 16 rows and 16 dimensions each, scaled so that exp2 takes the scores.
template <int kDim>
__device__ void load_queries(const AttentionRows& rows, const KvView& cache,
                             const QueryRow (&row)[2], uint32_t (&a)[kDim / 16][4]) {
  const float scale = 1.4426950408889634f / sqrtf(static_cast<float>(cache.head_dim));
  const int pair = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int step = 0; step < kDim / 16; ++step) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int d = 16 * step + i / 2 * 8 + pair;
      const float* q = rows.q + row[i % 2].offset + d;  // head_dim is even
      a[step][i] = d < cache.head_dim ? pack(q[0] * scale, q[1] * scale) : pack(0.0f, 0.0f);
    }
  }
}

/// scores[j]: of the positions first + 8 * j .. + 7 of the page.
template <int kDim>
__device__ void score_keys(PageTile<kDim>& keys, int first, const uint32_t (&a)[kDim / 16][4],
                           float (&scores)[kKeys / 8][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int j = 0; j < kKeys / 8; ++j) {
#pragma unroll
    for (int i = 0; i < 4; ++i) scores[j][i] = 0.0f;
#pragma unroll
    for (int step = 0; step < kDim / 16; step += 2) {
      uint32_t b[4];
      load_matrices(b, keys.at(first + 8 * j + lane % 8, 2 * step + lane / 8));
      mma_f16(scores[j], a[step], {b[0], b[1]});
      mma_f16(scores[j], a[step + 1], {b[2], b[3]});
    }
  }
}

/// Minus infinity for the keys that a row does not see. `begin`: position of the first of them.
__device__ void hide_keys(float (&scores)[kKeys / 8][4], const QueryRow (&row)[2], int window,
                          int begin) {
  const int pair = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int j = 0; j < kKeys / 8; ++j) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int key = begin + 8 * j + pair + i % 2, newest = row[i / 2].position;
      if (key > newest || key < oldest_seen(window, newest)) scores[j][i] = -INFINITY;
    }
  }
}

/// The softmax that goes along: what the two rows of a thread have had so far.
struct Running {
  float largest[2] = {-INFINITY, -INFINITY};
  float total[2] = {};  ///< of this thread's columns
};

/// Scores become weights; returns through `fade` what older sums are worth now.
__device__ void weigh(float (&scores)[kKeys / 8][4], Running& running, float (&fade)[2]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float largest = running.largest[half];
#pragma unroll
    for (int j = 0; j < kKeys / 8; ++j) {
      largest = fmaxf(largest, fmaxf(scores[j][2 * half], scores[j][2 * half + 1]));
    }
    largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, 1));
    largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, 2));
    // Rows that have seen no key yet: every weight is exp2(-inf) = 0.
    const float base = largest == -INFINITY ? 0.0f : largest;
    fade[half] = exp2f(running.largest[half] - base);
    running.largest[half] = largest;
    float total = 0.0f;
#pragma unroll
    for (int j = 0; j < kKeys / 8; ++j) {
      for (int i = 2 * half; i < 2 * half + 2; ++i) {
        scores[j][i] = exp2f(scores[j][i] - base);
        total += scores[j][i];
      }
    }
    running.total[half] = running.total[half] * fade[half] + total;
  }
}

/// sums[j] += weights times dimensions 8 * j .. + 7 of the values from position `first` of the
/// page.
template <int kDim>
__device__ void add_values(PageTile<kDim>& values, int first, const float (&weights)[kKeys / 8][4],
                           float (&sums)[kDim / 8][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int step = 0; step < kKeys / 16; ++step) {
    const float(&low)[4] = weights[2 * step];
    const float(&high)[4] = weights[2 * step + 1];
    const uint32_t a[4] = {pack(low[0], low[1]), pack(low[2], low[3]), pack(high[0], high[1]),
                           pack(high[2], high[3])};
#pragma unroll
    for (int j = 0; j < kDim / 8; j += 2) {
      uint32_t b[4];
      load_transposed(b, values.at(first + 16 * step + lane % 16, j + lane / 16));
      mma_f16(sums[j], a, {b[0], b[1]});
      mma_f16(sums[j + 1], a, {b[2], b[3]});
    }
  }
}

template <int kDim>
__device__ void store_rows(const AttentionRows& rows, const KvView& cache, const QueryRow (&row)[2],
                           const Running& running, const float (&sums)[kDim / 8][4]) {
  const int pair = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float total = running.total[half];
    total += __shfl_xor_sync(kAllLanes, total, 1);
    total += __shfl_xor_sync(kAllLanes, total, 2);
    if (!row[half].there) continue;
    float* out = rows.out + row[half].offset;
#pragma unroll
    for (int j = 0; j < kDim / 8; ++j) {
      const int d = 8 * j + pair;
      if (d >= cache.head_dim) continue;
      out[d] = sums[j][2 * half] / total;
      out[d + 1] = sums[j][2 * half + 1] / total;
    }
  }
}

/// blockIdx: 64 query rows, the last first, for they see the most keys; kv head.
template <KvType kType, int kDim>
__global__ void __launch_bounds__(kThreads) attend_tiles_kernel(AttentionRows rows, KvView cache) {
  OCTAVO_DYNAMIC_SHARED(Buffers<kDim>, buffers);  // [1]
  const int head = static_cast<int>(blockIdx.y), lane = static_cast<int>(threadIdx.x) % 32;
  const int group = rows.heads / cache.kv_heads;
  const int begin = static_cast<int>(gridDim.x - 1 - blockIdx.x) * kQueryRows;
  const int first = begin + static_cast<int>(threadIdx.x) / 32 * kWarpRows + lane / 4;
  const QueryRow row[2] = {query_row(rows, cache, first, head),
                           query_row(rows, cache, first + 8, head)};
  const int base = *rows.position + rows.first;
  const int oldest_row = base + begin / group;
  const int newest_row = base + (min(begin + kQueryRows, rows.rows * group) - 1) / group;
  // Keys that every row of the block sees need no look at each.
  const int seen_by_all = oldest_seen(cache.window, newest_row);

  uint32_t a[kDim / 16][4];
  load_queries<kDim>(rows, cache, row, a);
  float sums[kDim / 8][4] = {};
  Running running;
  int page = oldest_seen(cache.window, oldest_row) / kKvPage * kKvPage, buffer = 0;
  fetch_page<kType>(cache, head, page, *buffers, 0);
  for (; page <= newest_row; page += kKvPage, buffer ^= 1) {
    wait_copies<0>();
    __syncthreads();  // the page is here, and nobody reads the other buffer any more
    if (page + kKvPage <= newest_row) {
      fetch_page<kType>(cache, head, page + kKvPage, *buffers, buffer ^ 1);
    }
#pragma unroll 1
    for (int half = 0; half < kKvPage; half += kKeys) {
      float scores[kKeys / 8][4], fade[2];
      score_keys(buffers->keys[buffer], half, a, scores);
      if (page + kKvPage - 1 > oldest_row || page < seen_by_all) {
        hide_keys(scores, row, cache.window, page + half);
      }
      weigh(scores, running, fade);
#pragma unroll
      for (int j = 0; j < kDim / 8; ++j) {
#pragma unroll
        for (int i = 0; i < 4; ++i) sums[j][i] *= fade[i / 2];
      }
      add_values(buffers->values[buffer], half, scores, sums);
    }
  }
  store_rows<kDim>(rows, cache, row, running, sums);
}

template <KvType kType, int kDim>
void attend(const AttentionRows& rows, const KvView& cache, Stream stream) {
  const int group = rows.heads / cache.kv_heads;
  const dim3 grid(static_cast<unsigned>((rows.rows * group + kQueryRows - 1) / kQueryRows),
                  static_cast<unsigned>(cache.kv_heads));
  launch(attend_tiles_kernel<kType, kDim>, {grid, kThreads, sizeof(Buffers<kDim>)}, stream, rows,
         cache);
}

template <KvType kType>
void attend(const AttentionRows& rows, const KvView& cache, Stream stream) {
  if (cache.row <= 64) {
    attend<kType, 64>(rows, cache, stream);
  } else {
    attend<kType, 128>(rows, cache, stream);
  }
}

}  // namespace

bool attends_in_tiles(const KvView& cache) {
  return cache.type != KvType::kF32 && cache.row <= 128;
}

void attend_tiles(const AttentionRows& rows, const KvView& cache, Stream stream) {
  switch (cache.type) {
    case KvType::kF32:
      break;  // attends_in_tiles() says no
    case KvType::kF16:
      attend<KvType::kF16>(rows, cache, stream);
      break;
    case KvType::kBF16:
      attend<KvType::kBF16>(rows, cache, stream);
      break;
    case KvType::kQ8_0:
      attend<KvType::kQ8_0>(rows, cache, stream);
      break;
  }
}

}  // namespace octavo::cuda
