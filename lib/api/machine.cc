// What devices can do at most.
#include "octavo/machine.hpp"

#include <algorithm>

#include "backend/backend.h"
#include "quant/format.h"

namespace octavo {

double MachineSpeed::peak(std::string_view kind) const {
  double best = 0;
  for (const UnitSpeed& unit : units) {
    if (std::string_view(unit.name).ends_with(kind)) best = std::max(best, unit.gop_s);
  }
  return best;
}

MachineSpeed measure_device(std::string_view device, int threads) {
  return make_device(device)->measure(threads);
}

MachineSpeed measure_machine(int threads) { return measure_device("cpu", threads); }

DeviceMemory device_memory(std::string_view device) { return make_device(device)->memory(); }

MachineSpeed faster(MachineSpeed one, const MachineSpeed& other) {
  if (other.stream.gb_s > one.stream.gb_s) one.stream = other.stream;
  for (UnitSpeed& unit : one.units) {
    for (const UnitSpeed& its : other.units) {
      if (its.name == unit.name) unit.gop_s = std::max(unit.gop_s, its.gop_s);
    }
  }
  return one;
}

std::string_view prefill_unit(std::string_view device, std::string_view type,
                              const MachineSpeed& machine) {
  return make_device(device)->prefill_unit(parse_format(type).value_or(Format::kF32), machine);
}

}  // namespace octavo
