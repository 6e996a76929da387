// Attention in one layer at Mixtral-8x7B's shape: 32 query heads on 8 kv heads of 128, an f16
// cache. decode: one token, kv heads split over all threads; caches are cold: each iteration takes
// the next. prefill: 512 tokens after `depth` others, through the op itself, appending included.
//   build/release/bin/attention_bench
#include <benchmark/benchmark.h>

#include <cmath>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "bench/report.h"
#include "core/parallel.h"
#include "core/team.h"

namespace octavo::bench {
namespace {

constexpr int64_t kKvHeads = 8, kGroup = 4, kHeadDim = 128;

void decode(benchmark::State& state) {
  const int64_t context = state.range(0);
  const int64_t head_bytes = context * kHeadDim * 2;
  const int64_t layer_bytes = 2 * kKvHeads * head_bytes;
  const int64_t layers = std::max<int64_t>(1, kColdBytes / layer_bytes);
  // 0x2E66 is 0.1 as f16.
  const std::vector<uint16_t> cache(static_cast<size_t>(layers * layer_bytes / 2), 0x2E66);
  const auto* bytes = reinterpret_cast<const std::byte*>(cache.data());
  const std::vector<float> q(kKvHeads * kGroup * kHeadDim, 0.1f);
  std::vector<float> out(q.size());
  Team team(available_threads());
  const int64_t floats = attend_tile_scratch(kGroup, kHeadDim);
  std::vector<float> scratch(static_cast<size_t>(team.size() * floats));
  int64_t layer = 0;
  for (auto _ : state) {
    const std::byte* keys = bytes + layer * layer_bytes;
    const std::byte* values = keys + kKvHeads * head_bytes;
    layer = (layer + 1) % layers;
    team.run([&](int thread, int threads) {
      const auto [begin, end] = share(kKvHeads, thread, threads);
      for (int64_t head = begin; head < end; ++head) {
        const KvRun run{keys + head * head_bytes, values + head * head_bytes, context};
        const int64_t first = head * kGroup * kHeadDim;
        const AttendTile tile = {.format = CacheFormat::kF16,
                                 .tokens = 1,
                                 .group = kGroup,
                                 .head_dim = kHeadDim,
                                 .q = q.data() + first,
                                 .q_stride = 0,
                                 .out = out.data() + first,
                                 .out_stride = 0,
                                 .scale = 1.0f / std::sqrt(static_cast<float>(kHeadDim)),
                                 .window = 0,
                                 .start = 0,
                                 .runs = {&run, 1}};
        kernels().attend_tile(tile, scratch.data() + thread * floats);
      }
    });
    benchmark::ClobberMemory();
  }
  report(state, static_cast<double>(layer_bytes), 4.0 * kKvHeads * kGroup * context * kHeadDim,
         false);
}
BENCHMARK(decode)->RangeMultiplier(8)->Range(512, 32768)->ArgName("context")->UseRealTime();

void prefill(benchmark::State& state) {
  constexpr int64_t kRows = 512;
  const int64_t depth = state.range(0);
  const auto backend = make_device("cpu")->backend({.rows = kRows,
                                                    .cols = kKvHeads * kGroup * kHeadDim,
                                                    .heads = kKvHeads * kGroup,
                                                    .context = depth + kRows});
  const KvCachePtr cache = backend->kv_cache(
      {.layers = 1, .kv_heads = kKvHeads, .head_dim = kHeadDim, .context = depth + kRows});
  const ActivationPtr q = backend->activation(kRows, kKvHeads * kGroup * kHeadDim),
                      k = backend->activation(kRows, kKvHeads * kHeadDim),
                      v = backend->activation(kRows, kKvHeads * kHeadDim),
                      out = backend->activation(kRows, kKvHeads * kGroup * kHeadDim);
  const std::vector<float> values(static_cast<size_t>(kRows * kKvHeads * kGroup * kHeadDim), 0.1f);
  backend->write(values, kRows, *q);
  backend->write(std::span(values).first(kRows * kKvHeads * kHeadDim), kRows, *k);
  backend->write(std::span(values).first(kRows * kKvHeads * kHeadDim), kRows, *v);
  const AttentionShape shape = {.heads = kKvHeads * kGroup, .rope_theta = 1e6};
  for (int64_t position = 0; position < depth; position += kRows) {  // pages of its own to read
    backend->attention(*q, *k, *v, kRows, shape, *cache, 0, position, *out);
  }
  for (auto _ : state) backend->attention(*q, *k, *v, kRows, shape, *cache, 0, depth, *out);
  const auto keys = static_cast<double>(kRows * depth + kRows * (kRows + 1) / 2);
  report(state, 0, 4.0 * kKvHeads * kGroup * kHeadDim * keys, false);
}
BENCHMARK(prefill)->Arg(0)->Arg(512)->Arg(4096)->ArgName("depth")->UseRealTime();

}  // namespace
}  // namespace octavo::bench

BENCHMARK_MAIN();
