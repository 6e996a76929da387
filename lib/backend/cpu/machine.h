// What the processor can do at most, measured: the bounds that speeds are held against.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quant/format.h"
#include "simd/kernels.h"

namespace octavo {

/// What one kind of unit does with its operands in registers, all threads together.
struct UnitSpeed {
  std::string name;  ///< as MachineUnit
  double gop_s = 0;  ///< 10^9 multiplications and additions a second
};

/// The fastest way found to read memory, and its speed.
struct StreamSpeed {
  double gb_s = 0;  ///< 10^9 bytes a second, all threads together
  int streams = 1;
  bool fetch = false, huge_pages = false;
  std::string description() const;  ///< "2 streams a thread, fetched ahead, huge pages"
};

struct MachineSpeed {
  std::string isa;  ///< the chosen instruction set, as in OCTAVO_ISA
  int threads = 0;  ///< that measured together
  StreamSpeed stream;
  std::vector<UnitSpeed> units;

  /// The fastest unit whose name ends in `kind` ("int8", "bf16", "f32"); 0: there is none.
  double peak(std::string_view kind) const;
};

/// The kind of unit that most of a prefill with weights of this format runs on.
std::string_view unit_kind(Format format, const MachineSpeed& machine);

/// Everything below, for the chosen kernels. About a second and 512 MiB. threads 0: all.
MachineSpeed measure_machine(int threads);
/// The larger of each figure of two measurements: other load on the machine only takes away.
MachineSpeed faster(MachineSpeed one, const MachineSpeed& other);
/// Reads more memory than any cache holds, in every pattern and size of pages; best of all passes.
StreamSpeed measure_stream(int threads);
/// Best of several passes of each unit, with those that `kernels` uses in front.
std::vector<UnitSpeed> measure_units(const Kernels& kernels, int threads);

}  // namespace octavo
