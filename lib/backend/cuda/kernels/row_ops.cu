#include "backend/cuda/kernels/row_ops.h"

#include <algorithm>

#include "backend/cuda/kernels/instructions.cuh"
#include "backend/cuda/kernels/launch.h"
#include "backend/cuda/kernels/quantize.cuh"
#include "backend/cuda/kernels/tile_value.cuh"

namespace octavo::cuda {
namespace {

constexpr int kThreads = 256;
/// Blocks of a kernel that strides over what there is.
constexpr int64_t kMostBlocks = 1024;

__global__ void embed_kernel(Matrix table, const int32_t* ids, float* out) {
  const int64_t row = ids[blockIdx.x];
  float* const to = out + blockIdx.x * table.cols;
  for (int64_t k = threadIdx.x; k < table.cols; k += blockDim.x) {
    to[k] = matrix_value(table, row, k);
  }
}

// A block takes a row; each thread meets the same columns in both loops.
__global__ void rmsnorm_kernel(NormRows norm, int64_t cols) {
  __shared__ float scratch[kWarp];
  const int64_t row = blockIdx.x;
  float* const x = norm.x + row * cols;
  float sum = 0;
  for (int64_t k = threadIdx.x; k < cols; k += blockDim.x) {
    float value = x[k];
    if (norm.added != nullptr) {
      value += norm.added[row * cols + k];
      x[k] = value;
    }
    sum += value * value;
  }
  const float mean = block_sum(sum, scratch) / static_cast<float>(cols);
  const float scale = 1.0f / sqrtf(mean + norm.eps);
  const bool quantizes = norm.q8.q != nullptr;
  const int64_t end = quantizes ? q8_padded(cols) : cols;
  for (int64_t k = threadIdx.x; k < end; k += blockDim.x) {
    const float value = k < cols ? x[k] * scale * norm.gain[k] : 0.0f;
    if (k < cols) norm.out[row * cols + k] = value;
    if (quantizes) quantize_block(value, row, k, norm.q8);
  }
}

__global__ void add_kernel(float* y, int64_t count, const float* x) {
  const int64_t step = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    y[i] += x[i];
  }
}

// A warp takes a block of 32 values.
__global__ void quantize_q8_kernel(const float* x, int64_t stride, Q8 out) {
  const int64_t padded = q8_padded(out.cols), row = blockIdx.y;
  const int64_t k = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (k >= padded) return;  // whole warps
  const float value = k < out.cols ? x[row * stride + k] : 0.0f;
  quantize_block(value, row, k, out);
}

}  // namespace

void embed(const Matrix& table, const int32_t* ids, int64_t rows, float* out, Stream stream) {
  launch(embed_kernel, {static_cast<unsigned>(rows), kThreads}, stream, table, ids, out);
}

void rmsnorm(const NormRows& norm, int64_t rows, int64_t cols, Stream stream) {
  // Wide rows of few tokens: more threads hide the latency of the loads.
  const unsigned threads = cols >= 2048 ? 1024 : kThreads;
  launch(rmsnorm_kernel, {static_cast<unsigned>(rows), threads}, stream, norm, cols);
}

void add(float* y, int64_t count, const float* x, Stream stream) {
  const int64_t blocks = std::min<int64_t>((count + kThreads - 1) / kThreads, kMostBlocks);
  launch(add_kernel, {static_cast<unsigned>(blocks), kThreads}, stream, y, count, x);
}

void quantize_q8(const float* x, int64_t stride, int64_t rows, const Q8& out, Stream stream) {
  const dim3 grid(blocks_for(q8_padded(out.cols), kThreads), static_cast<unsigned>(rows));
  launch(quantize_q8_kernel, {grid, kThreads}, stream, x, stride, out);
}

}  // namespace octavo::cuda
