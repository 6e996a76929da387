#include "backend/cuda/kernels/machine.h"

#include "backend/cuda/kernels/instructions.cuh"
#include "backend/cuda/kernels/launch.h"

namespace octavo::cuda {
namespace {

constexpr int kCopyThreads = 256, kCopiesInFlight = 4;

__global__ void __launch_bounds__(kCopyThreads)
    copy_kernel(const int4* from, int4* to, int64_t count) {
  const int64_t threads = int64_t{gridDim.x} * kCopyThreads;
  int64_t i = int64_t{blockIdx.x} * kCopyThreads + threadIdx.x;
  for (; i + (kCopiesInFlight - 1) * threads < count; i += kCopiesInFlight * threads) {
    int4 values[kCopiesInFlight];
#pragma unroll
    for (int c = 0; c < kCopiesInFlight; ++c) values[c] = load_once(from + i + c * threads);
#pragma unroll
    for (int c = 0; c < kCopiesInFlight; ++c) to[i + c * threads] = values[c];
  }
  for (; i < count; i += threads) to[i] = load_once(from + i);
}

__device__ float sum_of(const float (&sums)[kSpinChains][4]) {
  float sum = 0.0f;
  for (int c = 0; c < kSpinChains; ++c) {
    for (int i = 0; i < 4; ++i) sum += sums[c][i];
  }
  return sum;
}

__global__ void __launch_bounds__(kSpinThreads) spin_bf16_kernel(int rounds, float* check) {
  // 1 and 2^-8 as bf16: products that neither vanish nor grow beyond all bounds soon.
  const uint32_t a[4] = {0x3F803F80u, 0x3B803B80u, 0x3F803F80u, 0x3B803B80u};
  const uint32_t b[2] = {0x3B803B80u, 0x3B803B80u};
  float sums[kSpinChains][4] = {};
  for (int round = 0; round < rounds; ++round) {
#pragma unroll
    for (int c = 0; c < kSpinChains; ++c) mma_bf16(sums[c], a, b);
  }
  check[blockIdx.x * kSpinThreads + threadIdx.x] = sum_of(sums);
}

__global__ void __launch_bounds__(kSpinThreads)
    spin_f32_kernel(int rounds, float factor, float* check) {
  float sums[kSpinChains];
#pragma unroll
  for (int c = 0; c < kSpinChains; ++c) sums[c] = static_cast<float>(threadIdx.x + c);
  for (int round = 0; round < rounds; ++round) {
#pragma unroll
    for (int c = 0; c < kSpinChains; ++c) sums[c] = fmaf(sums[c], factor, 0.5f);
  }
  float sum = 0.0f;
#pragma unroll
  for (int c = 0; c < kSpinChains; ++c) sum += sums[c];
  check[blockIdx.x * kSpinThreads + threadIdx.x] = sum;
}

}  // namespace

void copy_bytes(const std::byte* from, std::byte* to, int64_t bytes, int blocks, Stream stream) {
  launch(copy_kernel, {static_cast<unsigned>(blocks), kCopyThreads, 0}, stream,
         reinterpret_cast<const int4*>(from), reinterpret_cast<int4*>(to), bytes / 16);
}

void spin_bf16(int blocks, int rounds, float* check, Stream stream) {
  launch(spin_bf16_kernel, {static_cast<unsigned>(blocks), kSpinThreads, 0}, stream, rounds, check);
}

void spin_f32(int blocks, int rounds, float* check, Stream stream) {
  launch(spin_f32_kernel, {static_cast<unsigned>(blocks), kSpinThreads, 0}, stream, rounds, 0.5f,
         check);
}

}  // namespace octavo::cuda
