// The few functions and classes that PyTorch's pickles of tensors name, and what each builds.
#pragma once

#include <cstdint>
#include <string_view>

#include "convert/pickle_values.h"

namespace octavo {

constexpr uint32_t kMostDimensions = 8;

/// The global of this name. Throws Error(kUnsupported) naming any other one.
PickleValue find_global(std::string_view module, std::string_view name);

/// What calling `function` with the tuple `arguments` gives: a new dict or a tensor. Throws
/// Error(kFormat).
PickleValue call_global(PickleHeap& heap, const PickleValue& function,
                        const PickleValue& arguments);

/// The storage that a persistent id stands for. Throws Error(kFormat).
PickleValue load_storage(PickleHeap& heap, const PickleValue& id);

}  // namespace octavo
