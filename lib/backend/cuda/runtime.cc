#include "backend/cuda/runtime.h"

#include "core/error.h"

namespace octavo::cuda {

void check(cudaError_t result, const char* what) {
  if (result == cudaSuccess) return;
  cudaGetLastError();  // one that can be forgotten is, so that the next call is not blamed for it
  fail(ErrorCode::kIo, "CUDA: {} failed: {}", what, cudaGetErrorString(result));
}

std::string free_memory() {
  size_t free = 0, total = 0;
  if (cudaMemGetInfo(&free, &total) != cudaSuccess) return "what is free is not known";
  constexpr double kGiB = 1 << 30;
  return fmt::format("{:.2f} of {:.2f} GiB are free", static_cast<double>(free) / kGiB,
                     static_cast<double>(total) / kGiB);
}

}  // namespace octavo::cuda
