// What the processor can do at most, measured: the bounds that speeds are held against.
#pragma once

#include <string>

namespace octavo {

struct MachineSpeed {
  std::string isa;         ///< the chosen instruction set, as in OCTAVO_ISA
  int threads = 0;         ///< that measured together
  double stream_gb_s = 0;  ///< read from memory, 10^9 bytes a second
  double float_gflop_s = 0;
  double int8_gop_s = 0;
};

/// Best of several passes over more memory than any cache holds; about a second and 512 MiB.
MachineSpeed measure_machine(int threads);

}  // namespace octavo
