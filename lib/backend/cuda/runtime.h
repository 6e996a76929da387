// CUDA's run-time calls, every result looked at.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

namespace octavo::cuda {

/// Throws Error(kIo) unless `result` is success. `what` was tried: "copying to the GPU".
void check(cudaError_t result, const char* what);

/// What is free now, for messages: "1.2 of 24.0 GiB are free".
std::string free_memory();

}  // namespace octavo::cuda
