// One token's attention in one layer at Mixtral-8x7B's shape: 32 query heads on 8 kv heads of 128,
// an f16 cache, kv heads split over all threads. Caches are cold: each iteration takes the next.
//   build/release/bin/attention_bench
#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "bench/report.h"
#include "core/parallel.h"

namespace octavo::bench {
namespace {

constexpr int64_t kKvHeads = 8, kGroup = 4, kHeadDim = 128;

void attend(benchmark::State& state) {
  const int64_t context = state.range(0);
  const int64_t head_bytes = context * kHeadDim * 2;
  const int64_t layer_bytes = 2 * kKvHeads * head_bytes;
  const int64_t layers = std::max<int64_t>(1, kColdBytes / layer_bytes);
  // 0x2E66 is 0.1 as f16.
  const std::vector<uint16_t> cache(static_cast<size_t>(layers * layer_bytes / 2), 0x2E66);
  const auto* bytes = reinterpret_cast<const std::byte*>(cache.data());
  const std::vector<float> q(kKvHeads * kGroup * kHeadDim, 0.1f);
  std::vector<float> out(q.size());
  std::vector<float> scores(static_cast<size_t>(kKvHeads * kGroup * context));
  const float scale = 1.0f / std::sqrt(static_cast<float>(kHeadDim));
  int64_t layer = 0;
  for (auto _ : state) {
    const std::byte* keys = bytes + layer * layer_bytes;
    const std::byte* values = keys + kKvHeads * head_bytes;
    layer = (layer + 1) % layers;
    parallel(available_threads(), [&](int thread, int threads) {
      const auto [begin, end] = share(kKvHeads, thread, threads);
      for (int64_t head = begin; head < end; ++head) {
        const KvRun run{keys + head * head_bytes, values + head * head_bytes, context};
        const int64_t first = head * kGroup;
        kernels().attend(CacheFormat::kF16, q.data() + first * kHeadDim, kGroup, kHeadDim, scale,
                         {&run, 1}, scores.data() + first * context, out.data() + first * kHeadDim);
      }
    });
    benchmark::ClobberMemory();
  }
  report(state, static_cast<double>(layer_bytes), 4.0 * kKvHeads * kGroup * context * kHeadDim,
         false);
}
BENCHMARK(attend)->RangeMultiplier(8)->Range(512, 32768)->ArgName("context")->UseRealTime();

}  // namespace
}  // namespace octavo::bench

BENCHMARK_MAIN();
