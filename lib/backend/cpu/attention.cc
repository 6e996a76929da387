// Attention on the CPU: rotate, append to the cache, attend; a block of rows and one kv head are
// one piece of work.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "backend/cpu/cpu_backend.h"
#include "core/parallel.h"

namespace octavo {

// Angles as the models were trained with: f32 position times f32 frequency.
void CpuBackend::prepare_rotation(int64_t rows, int64_t half, double theta, int64_t position) {
  const bool ready = rotation_.rows >= rows && rotation_.half == half && rotation_.theta == theta &&
                     rotation_.position == position;
  if (ready) return;  // the layer before left them
  for_rows(rows, half * 64, [&](int64_t r) {
    for (int64_t i = 0; i < half; ++i) {
      const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(2 * half);
      const auto frequency = static_cast<float>(std::pow(theta, exponent));
      const float angle = static_cast<float>(position + r) * frequency;
      cosine_.data()[r * half + i] = static_cast<float>(std::cos(static_cast<double>(angle)));
      sine_.data()[r * half + i] = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  });
  rotation_ = {rows, half, position, theta};
}

void CpuBackend::append_rows(Activation& k, const Activation& v, int64_t first, int64_t rows,
                             CpuKvCache& cache, int64_t layer, int64_t position) {
  const int64_t head_dim = cache.shape().head_dim, half = head_dim / 2;
  for_rows(rows, k.cols(), [&](int64_t i) {
    const int64_t r = first + i;
    float* key = static_cast<CpuActivation&>(k).row(r);
    const float* value = static_cast<const CpuActivation&>(v).row(r);
    for (int64_t h = 0; h < cache.shape().kv_heads; ++h) {
      kernels_.rope(key + h * head_dim, cosine_.data() + r * half, sine_.data() + r * half, half);
      kernels_.to_cache(cache.format(), key + h * head_dim, cache.key(layer, h, position + r),
                        head_dim);
      kernels_.to_cache(cache.format(), value + h * head_dim, cache.value(layer, h, position + r),
                        head_dim);
    }
  });
}

void CpuBackend::rotate_query(float* query, int64_t r, int64_t group, int64_t head_dim) {
  const int64_t half = head_dim / 2;
  for (int64_t g = 0; g < group; ++g) {
    kernels_.rope(query + g * head_dim, cosine_.data() + r * half, sine_.data() + r * half, half);
  }
}

void CpuBackend::attend_row(const Queries& queries, int thread, int64_t r, int64_t h) {
  CpuKvCache& cache = queries.cache;
  const int64_t group = queries.group, head_dim = cache.shape().head_dim;
  const int64_t position = queries.position + r, head = h * group * head_dim;
  float* query = queries.q.row(r) + head;
  rotate_query(query, r, group, head_dim);
  const std::span<KvRun> runs = thread_runs(thread);
  const CpuKvCache::Runs seen = cache.visible(queries.layer, h, position, position, runs);
  kernels_.attend(cache.format(), query, group, head_dim, queries.scale, runs.first(seen.count),
                  scores_.data() + thread * group * cache.shape().context,
                  queries.out.row(r) + head);
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
  const std::span<KvRun> runs = thread_runs(thread);
  const CpuKvCache::Runs seen =
      cache.visible(queries.layer, h, position, position + rows - 1, runs);
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
                           .start = seen.start,
                           .runs = runs.first(seen.count)};
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
  // With 4 heads in a group even one token is a tile: decode and prefill then give a row the same
  // bits.
  const bool tiled = rows * queries.group >= kLeastTileRows;
  const int64_t step = tiled ? tile_tokens(rows, queries.group, kv_heads) : 1;
  const int64_t blocks = (rows + step - 1) / step, pieces = blocks * kv_heads;
  const int64_t products =
      rows * kv_heads * queries.group * head_dim * (queries.position + first + rows);
  // Later rows see more keys: they go first, and whoever is free takes the next piece.
  std::atomic<int64_t> taken = 0;
  run(products / kProductWork, [&](int thread, int) {
    for (int64_t piece; (piece = taken.fetch_add(1, std::memory_order_relaxed)) < pieces;) {
      const int64_t block = blocks - 1 - piece / kv_heads, h = piece % kv_heads;
      if (tiled) {
        attend_tile(queries, thread, first + block * step, std::min(step, rows - block * step), h);
      } else {
        attend_row(queries, thread, first + block, h);
      }
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
