// Activations to int8, as the CPU's kernels do it (simd/scalar_kernels.cc).
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/instructions.cuh"

namespace octavo::cuda {

/// A block whose largest value is below this counts as zeros: 127 / max would not be finite.
constexpr float kQ8SmallestMax = 1e-36f;

/// A warp quantizes the block of 32 columns that begins at a multiple of 32; `col` is the lane's
/// own, its value zero behind the last column.
__device__ __forceinline__ void quantize_block(float value, int64_t row, int64_t col,
                                               const Q8& out) {
  const int64_t at = row * q8_padded(out.cols) + col;
  const float largest = warp_max(fabsf(value));
  const float inverse = largest >= kQ8SmallestMax ? 127.0f / largest : 0.0f;
  const int q = __float2int_rn(value * inverse);
  const int sum = warp_sum(q);
  out.q[at] = static_cast<int8_t>(q);
  if (threadIdx.x % kWarp == 0) {
    out.scale[at / 32] = largest / 127.0f;
    out.sum[at / 32] = sum;
  }
}

}  // namespace octavo::cuda
