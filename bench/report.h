// The counters that every benchmark reports.
#pragma once

#include <benchmark/benchmark.h>

#include "bench/machine.h"
#include "simd/kernels.h"

namespace octavo::bench {

/// GB/s, its share of the measured read bandwidth in percent, and GFLOP/s; the label is the
/// instruction set.
inline void report(benchmark::State& state, double bytes, double flops) {
  using benchmark::Counter;
  const auto rate = Counter::kIsIterationInvariantRate;
  state.counters["GB/s"] = Counter(bytes * 1e-9, rate);
  state.counters["%bandwidth"] = Counter(bytes * 1e-7 / machine().stream_gb_s, rate);
  state.counters["GFLOP/s"] = Counter(flops * 1e-9, rate);
  state.SetLabel(kernels().name);
}

}  // namespace octavo::bench
