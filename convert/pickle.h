// Pickles of tensors. A pickle is a program that may call anything in Python; this reader knows
// nothing but the parts from which torch.save builds tensors, and never runs any of it.
#pragma once

#include <cstddef>
#include <span>

#include "convert/pickle_values.h"

namespace octavo {

/// Reads the pickle of `heap` (protocols 2 to 5), filling the heap; returns what it ends with.
/// Throws Error(kFormat), and Error(kUnsupported) naming a global that is no part of a tensor.
PickleValue read_pickle(PickleHeap& heap);

}  // namespace octavo
