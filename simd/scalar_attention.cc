// The plainly right twins of the attention kernels.
#include "simd/scalar_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "quant/float16.h"

namespace octavo::scalar {
namespace {

float cache_value(CacheFormat format, const std::byte* data, int64_t i) {
  if (format == CacheFormat::kF32) {
    float value;
    std::memcpy(&value, data + 4 * i, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, data + 2 * i, 2);
  return format == CacheFormat::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
}

// Weighs the entries [begin, end) of the runs one by one; a larger score rescales what came before.
void attend_entries(const AttendTile& tile, const float* q, int64_t begin, int64_t end,
                    float* out) {
  float largest = -INFINITY, sum = 0;
  std::fill_n(out, tile.head_dim, 0.0f);
  int64_t i = 0;
  for (const KvRun& run : tile.runs) {
    for (int64_t n = 0; n < run.count; ++n, ++i) {
      if (i < begin || i >= end) continue;
      float dot = 0;
      for (int64_t k = 0; k < tile.head_dim; ++k) {
        dot += q[k] * cache_value(tile.format, run.keys, n * tile.head_dim + k);
      }
      const float score = dot * tile.scale, before = largest;
      largest = std::max(largest, score);
      const float shrink = std::exp(before - largest), weight = std::exp(score - largest);
      sum = sum * shrink + weight;
      for (int64_t k = 0; k < tile.head_dim; ++k) {
        const float value = cache_value(tile.format, run.values, n * tile.head_dim + k);
        out[k] = out[k] * shrink + weight * value;
      }
    }
  }
  for (int64_t k = 0; k < tile.head_dim; ++k) out[k] /= sum;
}

}  // namespace

void attend(CacheFormat format, const float* q, int64_t group, int64_t head_dim, float scale,
            std::span<const KvRun> runs, float* scratch, float* out) {
  int64_t total = 0;
  for (const KvRun& run : runs) total += run.count;
  for (int64_t g = 0; g < group; ++g) {
    float* scores = scratch + g * total;
    float* out_head = out + g * head_dim;
    float largest = -INFINITY;
    int64_t i = 0;
    for (const KvRun& run : runs) {
      for (int64_t n = 0; n < run.count; ++n, ++i) {
        float dot = 0;
        for (int64_t k = 0; k < head_dim; ++k) {
          dot += q[g * head_dim + k] * cache_value(format, run.keys, n * head_dim + k);
        }
        scores[i] = dot * scale;
        largest = std::max(largest, scores[i]);
      }
    }
    float sum = 0;
    for (i = 0; i < total; ++i) sum += scores[i] = std::exp(scores[i] - largest);
    std::fill_n(out_head, head_dim, 0.0f);
    i = 0;
    for (const KvRun& run : runs) {
      for (int64_t n = 0; n < run.count; ++n, ++i) {
        for (int64_t k = 0; k < head_dim; ++k) {
          out_head[k] += scores[i] * cache_value(format, run.values, n * head_dim + k);
        }
      }
    }
    for (int64_t k = 0; k < head_dim; ++k) out_head[k] /= sum;
  }
}

void attend_tile(const AttendTile& tile, float* /*scratch*/) {
  int64_t entries = 0;
  for (const KvRun& run : tile.runs) entries += run.count;
  for (int64_t t = 0; t < tile.tokens; ++t) {
    const int64_t end = entries - tile.tokens + t + 1;
    const int64_t begin = tile.window > 0 ? std::max<int64_t>(0, end - tile.window) : 0;
    for (int64_t g = 0; g < tile.group; ++g) {
      attend_entries(tile, tile.q + t * tile.q_stride + g * tile.head_dim, begin, end,
                     tile.out + t * tile.out_stride + g * tile.head_dim);
    }
  }
}

}  // namespace octavo::scalar
