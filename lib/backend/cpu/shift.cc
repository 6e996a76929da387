// Context shift on the CPU: entries move to earlier positions, their keys rotate back.
#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/rope.h"
#include "simd/kv_block.h"

namespace octavo {
namespace {

/// How far the key of one position turns: from the angle that it was given, which f32 rounded, to
/// the one that its new position gives.
void prepare_shift(int64_t from, int64_t by, int64_t half, double theta, float* cosine,
                   float* sine) {
  for (int64_t i = 0; i < half; ++i) {
    const auto before = static_cast<double>(rope_angle(theta, from, i, half));
    const double turn = static_cast<double>(rope_angle(theta, from - by, i, half)) - before;
    cosine[i] = static_cast<float>(std::cos(turn));
    sine[i] = static_cast<float>(std::sin(turn));
  }
}

}  // namespace

void CpuBackend::rotate_entries(std::span<std::byte> entries, const CpuKvCache& cache,
                                const float* cosine, const float* sine) {
  const KvShape& shape = cache.shape();
  const int64_t half = shape.head_dim / 2, entry_bytes = kv_entry_bytes(shape);
  const int64_t head_bytes = kv_head_bytes(shape.type, shape.head_dim);
  const int64_t count = static_cast<int64_t>(entries.size()) / entry_bytes;
  run(count * entry_bytes, [&](int thread, int threads) {
    std::vector<float> key(static_cast<size_t>(shape.head_dim));
    const auto [begin, end] = share(count, thread, threads);
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t h = 0; h < shape.kv_heads; ++h) {  // the keys come before the values
        std::byte* const kept = entries.data() + i * entry_bytes + h * head_bytes;
        entry_to_floats(cache.format(), kept, key);
        kernels_.rope(key.data(), cosine + i * half, sine + i * half, half);
        kernels_.to_cache(cache.format(), key.data(), kept, shape.head_dim);
      }
    }
  });
}

void CpuBackend::shift(KvCache& kv_cache, int64_t first, int64_t end, int64_t by,
                       double rope_theta) {
  auto& cache = static_cast<CpuKvCache&>(kv_cache);
  const KvShape& shape = cache.shape();
  const int64_t half = shape.head_dim / 2, entry_bytes = kv_entry_bytes(shape);
  // A page at a time, oldest first, never writes over what is still to be read; in a ring it might.
  const int64_t step = shape.window > 0 ? end - first : std::min(end - first, CpuKvCache::kPage);
  std::vector<float> cosine(static_cast<size_t>(step * half)), sine(cosine.size());
  std::vector<std::byte> buffer(static_cast<size_t>(step * entry_bytes));
  for (int64_t begin = first; begin < end; begin += step) {
    const int64_t count = std::min(step, end - begin);
    for_rows(count, half * 64, [&](int64_t i) {
      prepare_shift(begin + i, by, half, rope_theta, cosine.data() + i * half,
                    sine.data() + i * half);
    });
    const auto entries = std::span(buffer).first(static_cast<size_t>(count * entry_bytes));
    for (int64_t layer = 0; layer < shape.layers; ++layer) {
      cache.read(layer, begin, count, entries);
      rotate_entries(entries, cache, cosine.data(), sine.data());
      cache.write(layer, begin - by, count, entries);
    }
  }
}

}  // namespace octavo
