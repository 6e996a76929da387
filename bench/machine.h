// What this machine can do, measured in the same process as the benchmarks.
#pragma once

#include <cstdint>

#include "backend/cpu/machine.h"

namespace octavo::bench {

/// Larger than any cache here, so that what is read comes from memory.
inline constexpr int64_t kColdBytes = int64_t{512} << 20;

/// Measured once, with all threads.
inline const MachineSpeed& machine() {
  static const MachineSpeed measured = measure_machine(0);
  return measured;
}

}  // namespace octavo::bench
