// Numbers of 16 bits, as bits: f16 and bf16, alone and in pairs (the first in the low half).
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "backend/cuda/kernels/launch.h"

namespace octavo::cuda {

__device__ __forceinline__ float f16_value(uint32_t bits) {
  return __half2float(__ushort_as_half(static_cast<unsigned short>(bits)));
}
__device__ __forceinline__ uint32_t bf16_bits(float value) {
  return __bfloat16_as_ushort(__float2bfloat16_rn(value));
}
__device__ __forceinline__ float bf16_value(uint32_t bits) { return __uint_as_float(bits << 16); }

__device__ __forceinline__ uint32_t bf16_pair(float low, float high) {
#if defined(__CUDACC__)
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  return bf16_bits(low) | bf16_bits(high) << 16;
#endif
}

/// a * b + c of both halves, rounded once.
__device__ __forceinline__ uint32_t bf16_fma(uint32_t a, uint32_t b, uint32_t c) {
#if defined(__CUDACC__)
  uint32_t sum;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(sum) : "r"(a), "r"(b), "r"(c));
  return sum;
#else
  const auto half = [&](int shift) {
    return bf16_bits(fmaf(bf16_value(a >> shift & 0xFFFF), bf16_value(b >> shift & 0xFFFF),
                          bf16_value(c >> shift & 0xFFFF)));
  };
  return half(0) | half(16) << 16;
#endif
}

}  // namespace octavo::cuda
