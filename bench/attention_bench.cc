// Attention in one layer at Mixtral-8x7B's shape: 32 query heads on 8 kv heads of 128, through the
// op itself, appending included. decode: one token after `depth` others, for each cache type;
// caches are cold: each iteration takes the next layer. prefill: 512 tokens after `depth` others,
// f16.
//   build/release/bin/attention_bench
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "bench/report.h"

namespace octavo::bench {
namespace {

constexpr int64_t kKvHeads = 8, kGroup = 4, kHeadDim = 128;

// The op with its operands, after `depth` positions.
class Op {
 public:
  Op(KvType type, int64_t layers, int64_t depth, int64_t rows)
      : backend_(make_device("cpu")->backend({.rows = rows,
                                              .cols = kGroup * kKvCols,
                                              .heads = kKvHeads * kGroup,
                                              .context = depth + rows})),
        cache_(backend_->kv_cache({.layers = layers,
                                   .kv_heads = kKvHeads,
                                   .head_dim = kHeadDim,
                                   .context = depth + rows,
                                   .type = type})),
        q_(input(rows, kGroup * kKvCols)),
        k_(input(rows, kKvCols)),
        v_(input(rows, kKvCols)),
        out_(backend_->activation(rows, kGroup * kKvCols)),
        depth_(depth),
        rows_(rows) {
    // 0x2E66 is 0.1 as f16, and a number in every other format.
    const std::vector<uint16_t> entry(static_cast<size_t>(kv_entry_bytes(cache_->shape()) / 2),
                                      0x2E66);
    for (int64_t layer = 0; layer < layers; ++layer) {
      for (int64_t n = 0; n < depth; ++n) {
        cache_->write(layer, n, 1, std::as_bytes(std::span(entry)));
      }
    }
  }

  void run(int64_t layer) {
    backend_->attention(*q_, *k_, *v_, rows_, {.heads = kKvHeads * kGroup, .rope_theta = 1e6},
                        *cache_, layer, depth_, *out_);
  }
  int64_t layer_bytes() const { return depth_ * kv_entry_bytes(cache_->shape()); }

 private:
  static constexpr int64_t kKvCols = kKvHeads * kHeadDim;
  ActivationPtr input(int64_t rows, int64_t cols) {
    ActivationPtr x = backend_->activation(rows, cols);
    backend_->write(std::vector<float>(static_cast<size_t>(rows * cols), 0.1f), rows, *x);
    return x;
  }

  std::unique_ptr<Backend> backend_;
  KvCachePtr cache_;
  ActivationPtr q_, k_, v_, out_;
  int64_t depth_, rows_;
};

void decode(benchmark::State& state, KvType type) {
  const int64_t depth = state.range(0);
  const KvShape shape = {.kv_heads = kKvHeads, .head_dim = kHeadDim, .type = type};
  const int64_t layers = std::max<int64_t>(1, kColdBytes / (depth * kv_entry_bytes(shape)));
  Op op(type, layers, depth, 1);
  int64_t layer = 0;
  for (auto _ : state) op.run(layer++ % layers);
  report(state, static_cast<double>(op.layer_bytes()), 4.0 * kKvHeads * kGroup * kHeadDim * depth,
         false);
}
#define OCTAVO_BENCH_DECODE(type)                  \
  BENCHMARK_CAPTURE(decode, type, KvType::k##type) \
      ->Arg(512)                                   \
      ->Arg(4096)                                  \
      ->Arg(16384)                                 \
      ->ArgName("depth")                           \
      ->UseRealTime()
OCTAVO_BENCH_DECODE(F32);
OCTAVO_BENCH_DECODE(F16);
OCTAVO_BENCH_DECODE(BF16);
OCTAVO_BENCH_DECODE(Q8_0);

void prefill(benchmark::State& state) {
  constexpr int64_t kRows = 512;
  const int64_t depth = state.range(0);
  Op op(KvType::kF16, 1, depth, kRows);
  for (auto _ : state) op.run(0);
  const auto keys = static_cast<double>(kRows * depth + kRows * (kRows + 1) / 2);
  report(state, 0, 4.0 * kKvHeads * kGroup * kHeadDim * keys, false);
}
BENCHMARK(prefill)->Arg(0)->Arg(512)->Arg(4096)->ArgName("depth")->UseRealTime();

}  // namespace
}  // namespace octavo::bench

BENCHMARK_MAIN();
