// What the card can do at most, measured.
#pragma once

#include "octavo/machine.hpp"

namespace octavo::cuda {

/// Of the current device, which has `multiprocessors`; `isa` is its name. Takes less than a second
/// and up to 1 GiB of the device. Throws Error(kIo).
MachineSpeed measure_card(std::string isa, int multiprocessors);

}  // namespace octavo::cuda
