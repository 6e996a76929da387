// The units of the processor that multiply, and loops that keep each of them busy: the bounds of
// prefill. Target-free header.
#pragma once

#include <vector>

#include "simd/kernels.h"

namespace octavo {

/// A unit and a loop that does nothing but multiply and add in its registers.
struct MachineUnit {
  const char* name;  ///< "f32", "int8", "bf16"; a second unit of a kind ends alike: "amx-int8"
  MachineWork (*spin)(int64_t rounds);
};

/// f32 and int8 as `kernels` uses them, then what else this machine has.
std::vector<MachineUnit> machine_units(const Kernels& kernels);

}  // namespace octavo
