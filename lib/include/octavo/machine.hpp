// What a device can do at most, measured: the bounds that speeds are held against.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/error.hpp"
#include "octavo/export.h"

namespace octavo {

/// The instruction set that the CPU's kernels were chosen for, as in OCTAVO_ISA: "avx2".
OCTAVO_API std::string instruction_set();

/// What one kind of unit does with its operands in registers, all of them together.
struct UnitSpeed {
  std::string name;  ///< "f32", "int8", "bf16"; a second one of a kind ends alike: "amx-int8"
  double gop_s = 0;  ///< 10^9 multiplications and additions a second
};

/// The fastest way found to stream through memory, and its speed.
struct StreamSpeed {
  double gb_s = 0;      ///< 10^9 bytes a second; of a copy both what is read and what is written
  std::string pattern;  ///< "2 streams a thread, fetched ahead, huge pages"
};

struct OCTAVO_API MachineSpeed {
  std::string isa;  ///< instruction_set(), or a GPU's: "sm_90"
  int threads = 0;  ///< that measured together; 0: not the CPU's
  StreamSpeed stream;
  std::vector<UnitSpeed> units;

  /// Of the fastest unit whose name ends in `kind` ("int8", "bf16", "f32"), in 10^9 a second; 0:
  /// there is none.
  double peak(std::string_view kind) const;
};

/// Takes about a second, and 512 MiB of the device's memory; other load on it makes the figures
/// smaller. threads 0: as many as the processors. Throws Error(kInvalidArgument), and
/// Error(kUnsupported) for a device that this machine has not.
OCTAVO_API MachineSpeed measure_device(std::string_view device, int threads = 0);
/// The CPU.
OCTAVO_API MachineSpeed measure_machine(int threads = 0);
/// The larger of each figure of two measurements: other load on the machine only takes away.
OCTAVO_API MachineSpeed faster(MachineSpeed one, const MachineSpeed& other);
/// The kind of unit ("int8", ...) that most of a prefill with weights of this type runs on, of
/// those that measure_device() found. Throws Error(kUnsupported) as it does.
OCTAVO_API std::string_view prefill_unit(std::string_view device, std::string_view type,
                                         const MachineSpeed& machine);

/// Memory of a device in bytes, now.
struct DeviceMemory {
  int64_t total = 0, free = 0;
};
/// Throws Error(kUnsupported) for a device that this machine has not.
OCTAVO_API DeviceMemory device_memory(std::string_view device);

}  // namespace octavo
