// Attention on the CPU: rotate, append to the cache, attend; each (row, kv head) is one piece of
// work.
#include <algorithm>
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
  cache.note_written(position + first + rows - 1);
}

void CpuBackend::attend_rows(const Activation& q, int64_t first, int64_t rows, int64_t heads,
                             CpuKvCache& cache, int64_t layer, int64_t position, Activation& out) {
  const int64_t kv_heads = cache.shape().kv_heads, head_dim = cache.shape().head_dim;
  const int64_t group = heads / kv_heads, half = head_dim / 2, pieces = rows * kv_heads;
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  run(pieces * group * head_dim * (position + first + rows) / kProductWork, [&](int thread,
                                                                                int count) {
    float* scores = scores_.data() + thread * limits_.heads * limits_.context;
    // Later rows see more keys: dealing the pieces in turn evens the threads out.
    for (int64_t piece = thread; piece < pieces; piece += count) {
      const int64_t r = first + piece / kv_heads, h = piece % kv_heads;
      float* query = static_cast<const CpuActivation&>(q).row(r) + h * group * head_dim;
      for (int64_t g = 0; g < group; ++g) {
        kernels_.rope(query + g * head_dim, cosine_.data() + r * half, sine_.data() + r * half,
                      half);
      }
      const CpuKvCache::Runs runs = cache.visible(layer, h, position + r);
      kernels_.attend(cache.format(), query, group, head_dim, scale, {runs.run.data(), runs.count},
                      scores, static_cast<CpuActivation&>(out).row(r) + h * group * head_dim);
    }
  });
}

void CpuBackend::attention(Activation& q, Activation& k, const Activation& v, int64_t rows,
                           const AttentionShape& shape, KvCache& cache, int64_t layer,
                           int64_t position, Activation& out) {
  auto& kept = static_cast<CpuKvCache&>(cache);
  prepare_rotation(rows, kept.shape().head_dim / 2, shape.rope_theta, position);
  // A ring takes as many rows at a time as it can without losing keys that the first of them still
  // sees.
  for (int64_t first = 0; first < rows;) {
    const int64_t step = std::min(rows - first, kept.append_limit());
    append_rows(k, v, first, step, kept, layer, position);
    attend_rows(q, first, step, shape.heads, kept, layer, position, out);
    first += step;
  }
}

}  // namespace octavo
