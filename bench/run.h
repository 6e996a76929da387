// What every program of benchmarks that it names itself does.
#pragma once

#include <benchmark/benchmark.h>

namespace octavo::bench {

/// Runs the benchmarks of `register_all` that the command line asks for; returns the exit code.
inline int run(int argc, char** argv, void (*register_all)()) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  register_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace octavo::bench
