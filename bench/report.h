// The counters that every benchmark reports, beside what this machine was just measured to do.
#pragma once

#include <benchmark/benchmark.h>

#include "backend/cpu/machine.h"
#include "simd/kernels.h"

namespace octavo::bench {

/// Larger than any cache here, so that what is read comes from memory.
inline constexpr int64_t kColdBytes = int64_t{512} << 20;

/// Measured once, in this process.
inline const MachineSpeed& machine() {
  static const MachineSpeed measured = measure_machine(0);
  return measured;
}

/// GB/s and its share of the memory's speed, GFLOP/s (or int8's) and its share of the peak of the
/// instruction set that the label names; shares in percent.
inline void report(benchmark::State& state, double bytes, double operations, bool int8) {
  using benchmark::Counter;
  const auto rate = Counter::kIsIterationInvariantRate;
  const double peak = int8 ? machine().int8_gop_s : machine().float_gflop_s;
  state.counters["GB/s"] = Counter(bytes * 1e-9, rate);
  state.counters["%memory"] = Counter(bytes * 1e-7 / machine().stream_gb_s, rate);
  state.counters["GFLOP/s"] = Counter(operations * 1e-9, rate);
  state.counters["%peak"] = Counter(operations * 1e-7 / peak, rate);
  state.SetLabel(kernels().name);
}

}  // namespace octavo::bench
