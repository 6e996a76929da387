// What the machine can do at most, measured: the bounds that speeds are held against.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "octavo/error.hpp"
#include "octavo/export.h"

namespace octavo {

/// The instruction set that the CPU's kernels were chosen for, as in OCTAVO_ISA: "avx2".
OCTAVO_API std::string instruction_set();

/// What one kind of unit does with its operands in registers, all threads together.
struct UnitSpeed {
  std::string name;  ///< "f32", "int8", "bf16"; a second one of a kind ends alike: "amx-int8"
  double gop_s = 0;  ///< 10^9 multiplications and additions a second
};

/// The fastest way found to read memory, and its speed.
struct OCTAVO_API StreamSpeed {
  double gb_s = 0;  ///< 10^9 bytes a second, all threads together
  int streams = 1;
  bool fetch = false, huge_pages = false;
  std::string description() const;  ///< "2 streams a thread, fetched ahead, huge pages"
};

struct OCTAVO_API MachineSpeed {
  std::string isa;  ///< instruction_set()
  int threads = 0;  ///< that measured together
  StreamSpeed stream;
  std::vector<UnitSpeed> units;

  /// Of the fastest unit whose name ends in `kind` ("int8", "bf16", "f32"), in 10^9 a second; 0:
  /// there is none.
  double peak(std::string_view kind) const;
};

/// Takes about a second and 512 MiB; other load on the machine makes the figures smaller. threads
/// 0: as many as the processors. Throws Error(kInvalidArgument).
OCTAVO_API MachineSpeed measure_machine(int threads = 0);
/// The larger of each figure of two measurements: other load on the machine only takes away.
OCTAVO_API MachineSpeed faster(MachineSpeed one, const MachineSpeed& other);
/// The kind of unit ("int8", ...) that most of a prefill with weights of this type runs on.
OCTAVO_API std::string_view prefill_unit(std::string_view type, const MachineSpeed& machine);

}  // namespace octavo
