// The counters that every benchmark reports, beside what this machine was just measured to do.
#pragma once

#include <benchmark/benchmark.h>

#include <map>
#include <string_view>

#include "backend/cpu/machine.h"
#include "core/parallel.h"
#include "core/team.h"
#include "simd/kernels.h"

namespace octavo::bench {

/// Larger than any cache here, so that what is read comes from memory.
inline constexpr int64_t kColdBytes = int64_t{512} << 20;

/// Measured once, in this process.
inline const MachineSpeed& machine() {
  static const MachineSpeed measured = measure_machine(0);
  return measured;
}

/// The machine, with the units as `table` uses them; measured once for each.
inline const MachineSpeed& machine_of(const Kernels& table) {
  static std::map<const Kernels*, MachineSpeed> known;
  auto [at, fresh] = known.try_emplace(&table, machine());
  if (fresh && &table != &kernels()) at->second.units = measure_units(table, 0);
  return at->second;
}

/// All processors, as a Backend uses them.
inline Team& team() {
  static Team everybody(available_threads());
  return everybody;
}

/// GB/s and its share of the memory's speed, GFLOP/s (or GOP/s of int8) and its share of the peak
/// of the units of that kind; shares in percent. `bytes` and `operations` are an iteration's.
inline void report(benchmark::State& state, double bytes, double operations,
                   const MachineSpeed& speed, std::string_view kind) {
  using benchmark::Counter;
  const auto rate = Counter::kIsIterationInvariantRate;
  state.counters["GB/s"] = Counter(bytes * 1e-9, rate);
  state.counters["%memory"] = Counter(bytes * 1e-7 / speed.stream.gb_s, rate);
  state.counters["GFLOP/s"] = Counter(operations * 1e-9, rate);
  if (speed.peak(kind) > 0) {
    state.counters["%peak"] = Counter(operations * 1e-7 / speed.peak(kind), rate);
  }
  state.SetLabel(std::string(kind));
}

/// The same for the chosen kernels.
inline void report(benchmark::State& state, double bytes, double operations, bool int8) {
  report(state, bytes, operations, machine(), int8 ? "int8" : "f32");
  state.SetLabel(kernels().name);
}

}  // namespace octavo::bench
