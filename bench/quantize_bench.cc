// The scale search by itself, on all processors: rows of normal values in memory to blocks, nothing
// read, packed or written. What the converter is measured against (docs/converter.md).
//   build/release/bin/quantize_bench --benchmark_filter=q4_k
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "quant/format.h"
#include "quant/rows.h"

namespace octavo::bench {
namespace {

constexpr int64_t kRows = 512, kCols = 4096;

void quantize(benchmark::State& state, Format format, int threads) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 1.0f / 64);
  std::vector<float> values(static_cast<size_t>(kRows * kCols));  // [kRows, kCols]
  for (float& value : values) value = normal(random);
  const int64_t stride = row_bytes(format, kCols);
  std::vector<std::byte> blocks(static_cast<size_t>(kRows * stride));  // [kRows, stride]
  for (auto _ : state) {
    parallel(threads, [&](int thread, int count) {
      const auto [begin, end] = share(kRows, thread, count);
      for (int64_t r = begin; r < end; ++r) {
        quantize_row(format, std::span(values).subspan(static_cast<size_t>(r * kCols), kCols),
                     blocks.data() + r * stride);
      }
    });
    benchmark::ClobberMemory();
  }
  using benchmark::Counter;
  state.counters["weights/s"] =
      Counter(static_cast<double>(kRows * kCols), Counter::kIsIterationInvariantRate);
}

void register_all() {
  for (const Format format : all_formats()) {
    if (traits(format).block_cols == 1) continue;  // rounding alone
    for (const int threads : {1, available_threads()}) {
      const std::string name =
          std::string(format_name(format)) + "/threads:" + std::to_string(threads);
      benchmark::RegisterBenchmark(
          name.c_str(), [=](benchmark::State& state) { quantize(state, format, threads); })
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace
}  // namespace octavo::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  octavo::bench::register_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
