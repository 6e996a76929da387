// Launching kernels: for .cu files alone. Under the emulation of tests/cuda_emulation the same
// lines run the kernel on the CPU.
#pragma once

#include <cuda_runtime.h>

#include <utility>

#include "backend/cuda/kernels/types.h"

/// Declares `name`, the block's dynamic shared memory as T[]. Once in a kernel.
#if defined(__CUDACC__)
#define OCTAVO_DYNAMIC_SHARED(T, name)                                    \
  extern __shared__ __align__(128) unsigned char octavo_dynamic_shared[]; \
  T* const name = reinterpret_cast<T*>(octavo_dynamic_shared)
#else
#define OCTAVO_DYNAMIC_SHARED(T, name) \
  T* const name = static_cast<T*>(::octavo::cuda_emulation::dynamic_shared())
#endif

namespace octavo::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xFFFFFFFFu;

struct LaunchShape {
  dim3 grid, block;
  size_t shared_bytes = 0;  ///< dynamic
};

/// Throws Error(kIo) unless `result` is success. `what` was tried: "launching a kernel".
void check(cudaError_t result, const char* what);

/// What any card gives a block without being asked.
inline constexpr size_t kPlainSharedBytes = 48 << 10;
/// What every supported card gives when it is asked (compute capability 8.6 and 8.9 the least).
inline constexpr size_t kMostSharedBytes = 99 << 10;

template <class... Params, class... Args>
void launch(void (*kernel)(Params...), const LaunchShape& shape, Stream stream, Args&&... args) {
  if (shape.shared_bytes > kPlainSharedBytes) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shape.shared_bytes)),
          "asking for shared memory");
  }
  cudaLaunchConfig_t config = {};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = stream;
  check(cudaLaunchKernelEx(&config, kernel, static_cast<Params>(std::forward<Args>(args))...),
        "launching a kernel");
}

/// Blocks of `size` that hold `count`.
constexpr unsigned blocks_for(int64_t count, int64_t size) {
  return static_cast<unsigned>((count + size - 1) / size);
}

}  // namespace octavo::cuda
