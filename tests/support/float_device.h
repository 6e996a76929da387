// The plainly right way through a model: its weights' values in f32, the scalar kernels.
#pragma once

#include <memory>

#include "backend/backend.h"

namespace octavo::test {

/// The CPU with the scalar kernels, on which every matrix becomes the f32 values that its blocks
/// stand for.
std::shared_ptr<Device> make_float_device();

}  // namespace octavo::test
