#include "cuda_emulation/device.h"

#include "backend/cuda/cuda_device.h"

namespace octavo::cuda_emulation {

std::shared_ptr<Device> make_device() { return cuda::make_cuda_device(); }

}  // namespace octavo::cuda_emulation
