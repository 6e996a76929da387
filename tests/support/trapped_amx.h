// Runs the machine code of AMX kernels where there is no AMX.
#pragma once

namespace octavo::test {

/// From now on, a tile instruction that this machine lacks is caught as the illegal instruction it
/// is and done in memory, as its encoding says. False where that cannot be done.
bool trap_amx();

}  // namespace octavo::test
