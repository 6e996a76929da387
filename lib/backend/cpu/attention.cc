// Attention on the CPU: rotate, append to the cache, attend. A block of rows and one kv head are
// one piece of work; with few rows, a part of the sequence and one kv head.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

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

void CpuBackend::append_rows(const Queries& queries, Activation& k, const Activation& v,
                             int64_t first, int64_t rows) {
  CpuKvCache& cache = queries.cache;
  const int64_t head_dim = cache.shape().head_dim, half = head_dim / 2;
  const int64_t kv_heads = cache.shape().kv_heads, heads = kv_heads * queries.group;
  const int64_t entry = cache_entry_bytes(cache.format(), head_dim);
  run(rows * (k.cols() + queries.q.cols()), [&](int thread, int threads) {
    std::byte* kept = entries_.data() + 2 * thread * entry;
    const auto [begin, end] = share(rows, thread, threads);
    for (int64_t r = first + begin; r < first + end; ++r) {
      const float *cosine = cosine_.data() + r * half, *sine = sine_.data() + r * half;
      float *query = queries.q.row(r), *key = static_cast<CpuActivation&>(k).row(r);
      const float* value = static_cast<const CpuActivation&>(v).row(r);
      for (int64_t h = 0; h < heads; ++h) kernels_.rope(query + h * head_dim, cosine, sine, half);
      for (int64_t h = 0; h < kv_heads; ++h) {
        kernels_.rope(key + h * head_dim, cosine, sine, half);
        kernels_.to_cache(cache.format(), key + h * head_dim, kept, head_dim);
        kernels_.to_cache(cache.format(), value + h * head_dim, kept + entry, head_dim);
        cache.put(queries.layer, h, queries.position + r, kept, kept + entry);
      }
    }
  });
}

AttendTile CpuBackend::query_tile(const Queries& queries, int64_t first, int64_t rows,
                                  int64_t h) const {
  const KvShape& shape = queries.cache.shape();
  const int64_t head = h * queries.group * shape.head_dim;
  return {.format = queries.cache.format(),
          .tokens = rows,
          .group = queries.group,
          .head_dim = shape.head_dim,
          .q = queries.q.row(first) + head,
          .q_stride = queries.q.cols(),
          .out = queries.out.row(first) + head,
          .out_stride = queries.out.cols(),
          .scale = queries.scale,
          .window = shape.window,
          .position = queries.position + first,
          .blocks = {},
          .first = 0};
}

void CpuBackend::attend_tile(const Queries& queries, AttendTile& tile, int thread, int64_t h,
                             int64_t oldest, int64_t newest) {
  const std::span<KvBlock> blocks = thread_blocks(thread);
  tile.blocks = blocks.first(queries.cache.blocks(queries.layer, h, oldest, newest, blocks));
  tile.first = oldest / kTileKeys * kTileKeys;
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
  const CpuKvCache& cache = queries.cache;
  const int64_t kv_heads = cache.shape().kv_heads, position = queries.position + first;
  int64_t step = tile_tokens(rows, queries.group, kv_heads);
  const bool few = rows <= kFewTokens;
  if (few) {
    const SequenceParts parts(queries.group, cache.oldest(position), position, rows);
    if (parts.count() > 1) return attend_parts(queries, parts, first, rows);
    step = std::min(step, few_tokens(queries.group));
  }
  const int64_t blocks = (rows + step - 1) / step, pieces = blocks * kv_heads;
  // Later rows see more keys: they go first, and whoever is free takes the next piece.
  std::atomic<int64_t> taken = 0;
  run(attention_work(queries, first, rows), [&](int thread, int) {
    for (int64_t piece; (piece = taken.fetch_add(1, std::memory_order_relaxed)) < pieces;) {
      const int64_t block = blocks - 1 - piece / kv_heads, h = piece % kv_heads;
      const int64_t r = block * step, count = std::min(step, rows - r);
      AttendTile tile = query_tile(queries, first + r, count, h);
      tile.as_few = few && count * queries.group <= kMostFewRows;
      attend_tile(queries, tile, thread, h, cache.oldest(tile.position), tile.position + count - 1);
    }
  });
}

int64_t CpuBackend::attention_work(const Queries& queries, int64_t first, int64_t rows) {
  const KvShape& shape = queries.cache.shape();
  return rows * shape.kv_heads * queries.group * shape.head_dim *
         (queries.position + first + rows) / kProductWork;
}

// Neighbours in the order of pieces are neighbours in a page of the cache.
void CpuBackend::attend_parts(const Queries& queries, const SequenceParts& parts, int64_t first,
                              int64_t rows) {
  const int64_t kv_heads = queries.cache.shape().kv_heads;
  for (int64_t h = 0; h < kv_heads; ++h) parts_done_[h].store(0, std::memory_order_relaxed);
  run_shares(attention_work(queries, first, rows), parts.count() * kv_heads, 1,
             [&](int64_t begin, int64_t end, int thread) {
               for (int64_t piece = begin; piece < end; ++piece) {
                 const int64_t h = piece % kv_heads;
                 attend_part(queries, parts, thread, piece, first, rows);
                 // Whoever brings the last part of a head puts them together.
                 if (parts_done_[h].fetch_add(1, std::memory_order_acq_rel) + 1 == parts.count()) {
                   merge_parts(queries, parts, first, rows, h);
                 }
               }
             });
}

CpuBackend::PartialRows CpuBackend::partial_rows(const Queries& queries, int64_t piece,
                                                 int64_t rows) const {
  const int64_t count = rows * queries.group, head_dim = queries.cache.shape().head_dim;
  float* sums = partial_.data() + piece * count * (head_dim + 2);
  return {sums, sums + count * head_dim, sums + count * (head_dim + 1)};
}

void CpuBackend::attend_part(const Queries& queries, const SequenceParts& parts, int thread,
                             int64_t piece, int64_t first, int64_t rows) {
  const int64_t kv_heads = queries.cache.shape().kv_heads, h = piece % kv_heads;
  const int64_t part = piece / kv_heads;
  const PartialRows partial = partial_rows(queries, piece, rows);
  KvBlock following = {};
  if (const int64_t next = piece + 1; next < parts.count() * kv_heads) {
    const int64_t position = parts.begin(next / kv_heads);
    queries.cache.blocks(queries.layer, next % kv_heads, position, position, {&following, 1});
  }
  const int64_t step = few_tokens(queries.group);
  for (int64_t r = 0; r < rows; r += step) {
    const int64_t count = std::min(step, rows - r), at = r * queries.group;
    AttendTile tile = query_tile(queries, first + r, count, h);
    tile.as_few = count * queries.group <= kMostFewRows;
    tile.out = partial.sums + at * tile.head_dim;
    tile.out_stride = queries.group * tile.head_dim;
    tile.largest = partial.largest + at;
    tile.total = partial.total + at;
    if (r + step >= rows) tile.next = following;
    attend_tile(queries, tile, thread, h, parts.begin(part), parts.end(part) - 1);
  }
}

// In the order of the sequence, whoever does it.
void CpuBackend::merge_parts(const Queries& queries, const SequenceParts& parts, int64_t first,
                             int64_t rows, int64_t h) {
  const int64_t kv_heads = queries.cache.shape().kv_heads,
                head_dim = queries.cache.shape().head_dim;
  const AttendTile tile = query_tile(queries, first, rows, h);
  const auto part = [&](int64_t i) { return partial_rows(queries, i * kv_heads + h, rows); };
  for (int64_t r = 0; r < rows * queries.group; ++r) {
    float largest = std::numeric_limits<float>::lowest(), total = 0;
    for (int64_t i = 0; i < parts.count(); ++i) largest = std::max(largest, part(i).largest[r]);
    for (int64_t i = 0; i < parts.count(); ++i) {
      const PartialRows p = part(i);
      p.largest[r] = std::exp(p.largest[r] - largest);  // its share from here on
      total += p.total[r] * p.largest[r];
    }
    float* out = tile.out + r / queries.group * tile.out_stride + r % queries.group * head_dim;
    std::fill_n(out, head_dim, 0.0f);
    for (int64_t i = 0; i < parts.count(); ++i) {
      kernels_.axpy(part(i).largest[r] / total, part(i).sums + r * head_dim, out, head_dim);
    }
  }
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
    append_rows(queries, k, v, first, step);
    attend_rows(queries, first, step);
    first += step;
  }
}

}  // namespace octavo
