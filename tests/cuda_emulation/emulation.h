// An emulated card: what tests may ask of it besides CUDA's own calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "cuda_emulation/block.h"

namespace octavo::cuda_emulation {

/// How the machine looks to the program; for the whole process.
struct Machine {
  int driver = 13000;  ///< 0: none
  int devices = 1;
  int major = 8, minor = 9;
  size_t memory = size_t{16} << 30;
};
void set_machine(const Machine& machine);

/// A kernel that failed makes every later call fail, as on a card; no longer.
void forget_failure();

/// What was done so far, in the whole process.
struct Counts {
  int64_t launches = 0;          ///< of kernels, those of graphs included
  int64_t graph_launches = 0;    ///< replays
  int64_t synchronizations = 0;  ///< calls in which the host waits
  int64_t allocations = 0, bytes_in_use = 0;
};
Counts counts();

}  // namespace octavo::cuda_emulation
