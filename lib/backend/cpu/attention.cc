// Attention on the CPU: rotate, append to the cache, attend; a block of rows and one kv head are
// one piece of work.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/rope.h"
#include "core/parallel.h"

namespace octavo {

void CpuBackend::prepare_rotation(int64_t rows, int64_t half, double theta, int64_t position) {
  const bool ready = rotation_.rows >= rows && rotation_.half == half && rotation_.theta == theta &&
                     rotation_.position == position;
  if (ready) return;  // the layer before left them
  for_rows(rows, half * 64, [&](int64_t r) {
    for (int64_t i = 0; i < half; ++i) {
      const auto angle = static_cast<double>(rope_angle(theta, position + r, i, half));
      cosine_.data()[r * half + i] = static_cast<float>(std::cos(angle));
      sine_.data()[r * half + i] = static_cast<float>(std::sin(angle));
    }
  });
  rotation_ = {rows, half, position, theta};
}

void CpuBackend::append_rows(Activation& k, const Activation& v, int64_t first, int64_t rows,
                             CpuKvCache& cache, int64_t layer, int64_t position) {
  const int64_t head_dim = cache.shape().head_dim, half = head_dim / 2;
  const int64_t entry = cache_entry_bytes(cache.format(), head_dim);
  run(rows * k.cols(), [&](int thread, int threads) {
    std::byte* kept = entries_.data() + 2 * thread * entry;
    const auto [begin, end] = share(rows, thread, threads);
    for (int64_t r = first + begin; r < first + end; ++r) {
      float* key = static_cast<CpuActivation&>(k).row(r);
      const float* value = static_cast<const CpuActivation&>(v).row(r);
      for (int64_t h = 0; h < cache.shape().kv_heads; ++h) {
        kernels_.rope(key + h * head_dim, cosine_.data() + r * half, sine_.data() + r * half, half);
        kernels_.to_cache(cache.format(), key + h * head_dim, kept, head_dim);
        kernels_.to_cache(cache.format(), value + h * head_dim, kept + entry, head_dim);
        cache.put(layer, h, position + r, kept, kept + entry);
      }
    }
  });
}

void CpuBackend::rotate_query(float* query, int64_t r, int64_t group, int64_t head_dim) {
  const int64_t half = head_dim / 2;
  for (int64_t g = 0; g < group; ++g) {
    kernels_.rope(query + g * head_dim, cosine_.data() + r * half, sine_.data() + r * half, half);
  }
}

void CpuBackend::attend_tile(const Queries& queries, int thread, int64_t first, int64_t rows,
                             int64_t h) {
  CpuKvCache& cache = queries.cache;
  const int64_t group = queries.group, head_dim = cache.shape().head_dim;
  const int64_t head = h * group * head_dim;
  for (int64_t r = first; r < first + rows; ++r) {
    rotate_query(queries.q.row(r) + head, r, group, head_dim);
  }
  const int64_t position = queries.position + first;
  const int64_t oldest = cache.oldest(position);
  const std::span<KvBlock> blocks = thread_blocks(thread);
  const size_t count = cache.blocks(queries.layer, h, oldest, position + rows - 1, blocks);
  const AttendTile tile = {.format = cache.format(),
                           .tokens = rows,
                           .group = group,
                           .head_dim = head_dim,
                           .q = queries.q.row(first) + head,
                           .q_stride = queries.q.cols(),
                           .out = queries.out.row(first) + head,
                           .out_stride = queries.out.cols(),
                           .scale = queries.scale,
                           .window = cache.shape().window,
                           .position = position,
                           .blocks = blocks.first(count),
                           .first = oldest / kTileKeys * kTileKeys};
  kernels_.attend_tile(tile, tiles_.data() + thread * tile_floats_);
}

// As many as leave every thread a few pieces; a row's bits do not depend on it.
int64_t CpuBackend::tile_tokens(int64_t rows, int64_t group, int64_t kv_heads) const {
  int64_t tokens = std::max<int64_t>(1, kTileRows / group);
  const auto pieces = [&] { return (rows + tokens - 1) / tokens * kv_heads; };
  while (tokens > 1 && tokens * group > kSmallTileRows && pieces() < 4 * team_.size()) tokens /= 2;
  return tokens;
}

void CpuBackend::attend_rows(const Queries& queries, int64_t first, int64_t rows) {
  const int64_t kv_heads = queries.cache.shape().kv_heads,
                head_dim = queries.cache.shape().head_dim;
  const int64_t step = tile_tokens(rows, queries.group, kv_heads);
  const int64_t blocks = (rows + step - 1) / step, pieces = blocks * kv_heads;
  const int64_t products =
      rows * kv_heads * queries.group * head_dim * (queries.position + first + rows);
  // Later rows see more keys: they go first, and whoever is free takes the next piece.
  std::atomic<int64_t> taken = 0;
  run(products / kProductWork, [&](int thread, int) {
    for (int64_t piece; (piece = taken.fetch_add(1, std::memory_order_relaxed)) < pieces;) {
      const int64_t block = blocks - 1 - piece / kv_heads, h = piece % kv_heads;
      attend_tile(queries, thread, first + block * step, std::min(step, rows - block * step), h);
    }
  });
}

void CpuBackend::attention(Activation& q, Activation& k, const Activation& v, int64_t rows,
                           const AttentionShape& shape, KvCache& cache, int64_t layer,
                           int64_t position, Activation& out) {
  auto& kept = static_cast<CpuKvCache&>(cache);
  const int64_t head_dim = kept.shape().head_dim;
  prepare_rotation(rows, head_dim / 2, shape.rope_theta, position);
  const Queries queries = {static_cast<const CpuActivation&>(q),
                           static_cast<const CpuActivation&>(out),
                           kept,
                           layer,
                           position,
                           shape.heads / kept.shape().kv_heads,
                           1.0f / std::sqrt(static_cast<float>(head_dim))};
  // A ring takes as many rows at a time as it can without losing keys that the first of them still
  // sees.
  for (int64_t first = 0; first < rows;) {
    const int64_t step = std::min(rows - first, kept.append_limit());
    kept.prepare(position + first, step);
    append_rows(k, v, first, step, kept, layer, position);
    attend_rows(queries, first, step);
    first += step;
  }
}

}  // namespace octavo
