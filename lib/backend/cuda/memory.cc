#include "backend/cuda/memory.h"

#include "core/error.h"

namespace octavo::cuda {

void* allocate(int64_t bytes, const char* purpose) {
  void* memory = nullptr;
  const cudaError_t result = cudaMalloc(&memory, static_cast<size_t>(bytes));
  if (result == cudaSuccess) return memory;
  cudaGetLastError();
  if (result != cudaErrorMemoryAllocation) check(result, "taking memory of the GPU");
  constexpr double kMiB = 1 << 20;
  fail(ErrorCode::kIo,
       "the GPU's memory is too small: {:.1f} MiB were asked for {}, {}; keep layers or experts on "
       "the CPU (--gpu-layers N, --gpu-experts CPU) or take a shorter context",
       static_cast<double>(bytes) / kMiB, purpose, free_memory());
}

}  // namespace octavo::cuda
