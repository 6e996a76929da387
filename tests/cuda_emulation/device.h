// The CUDA backend on the emulated card, for tests that know the interface of backends alone.
#pragma once

#include <memory>

#include "backend/backend.h"

namespace octavo::cuda_emulation {

std::shared_ptr<Device> make_device();

}  // namespace octavo::cuda_emulation
