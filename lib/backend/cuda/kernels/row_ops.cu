#include "backend/cuda/kernels/row_ops.h"

#include "backend/cuda/kernels/instructions.cuh"
#include "backend/cuda/kernels/launch.h"
#include "backend/cuda/kernels/quantize.cuh"
#include "backend/cuda/kernels/tile_value.cuh"

namespace octavo::cuda {
namespace {

constexpr int kThreads = 256;
/// Blocks of the kernels that stride over what there is.
constexpr unsigned kMostBlocks = 1024;

__global__ void embed_kernel(Matrix table, const int32_t* ids, float* out) {
  const int64_t row = ids[blockIdx.x];
  float* const to = out + blockIdx.x * table.cols;
  for (int64_t k = threadIdx.x; k < table.cols; k += blockDim.x) {
    to[k] = matrix_value(table, row, k);
  }
}

__global__ void rmsnorm_kernel(const float* x, int64_t cols, const float* gain, float eps,
                               float* out) {
  __shared__ float scratch[kWarp];
  const float* const from = x + blockIdx.x * cols;
  float sum = 0;
  for (int64_t k = threadIdx.x; k < cols; k += blockDim.x) sum += from[k] * from[k];
  const float mean = block_sum(sum, scratch) / static_cast<float>(cols);
  const float scale = 1.0f / sqrtf(mean + eps);
  float* const to = out + blockIdx.x * cols;
  for (int64_t k = threadIdx.x; k < cols; k += blockDim.x) to[k] = from[k] * scale * gain[k];
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

__global__ void swiglu_kernel(const float* gate, const float* up, int64_t count, float* out) {
  const int64_t step = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    out[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
  }
}

unsigned striding_blocks(int64_t count) {
  const int64_t blocks = (count + kThreads - 1) / kThreads;
  return static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks);
}

}  // namespace

void embed(const Matrix& table, const int32_t* ids, int64_t rows, float* out, Stream stream) {
  launch(embed_kernel, {static_cast<unsigned>(rows), kThreads}, stream, table, ids, out);
}

void rmsnorm(const float* x, int64_t rows, int64_t cols, const float* gain, float eps, float* out,
             Stream stream) {
  // Wide rows of few tokens: more threads hide the latency of the loads.
  const unsigned threads = cols >= 2048 ? 1024 : kThreads;
  launch(rmsnorm_kernel, {static_cast<unsigned>(rows), threads}, stream, x, cols, gain, eps, out);
}

void add(float* y, int64_t count, const float* x, Stream stream) {
  launch(add_kernel, {striding_blocks(count), kThreads}, stream, y, count, x);
}

void quantize_q8(const float* x, int64_t stride, int64_t rows, const Q8& out, Stream stream) {
  const dim3 grid(blocks_for(q8_padded(out.cols), kThreads), static_cast<unsigned>(rows));
  launch(quantize_q8_kernel, {grid, kThreads}, stream, x, stride, out);
}

void swiglu(const float* gate, const float* up, int64_t count, float* out, Stream stream) {
  launch(swiglu_kernel, {striding_blocks(count), kThreads}, stream, gate, up, count, out);
}

}  // namespace octavo::cuda
