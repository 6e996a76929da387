// Products of many rows: what goes to the tensor cores and what to the float kernel; and the small
// kernels around them.
#include <algorithm>

#include "backend/cuda/kernels/experts_tiles.h"
#include "backend/cuda/kernels/launch.h"
#include "backend/cuda/kernels/matmul_tiles.h"
#include "backend/cuda/kernels/numbers.cuh"
#include "backend/cuda/kernels/tile_problem.cuh"

namespace octavo::cuda {
namespace {

constexpr int kThreads = 256;
/// bf16 numbers that a thread writes at once.
constexpr int kPiece = 8;

// grid [rows, pieces of a row / kThreads]
__global__ void to_bf16_kernel(const float* x, int64_t stride, Bf16Rows out) {
  const int64_t row = blockIdx.x, padded = bf16_padded(out.cols);
  const int64_t first = (int64_t{blockIdx.y} * kThreads + threadIdx.x) * kPiece;
  if (first >= padded) return;
  // A piece is columns 4 t + (0, 1) of its 16, or 4 t + (2, 3).
  const int64_t col = first / 16 * 16 + first % 16 / kPiece * 2;
  uint32_t high[kPiece / 2], low[kPiece / 2];
  for (int t = 0; t < kPiece / 2; ++t) {
    float values[2];
    for (int i = 0; i < 2; ++i) {
      const int64_t k = col + 4 * t + i;
      values[i] = k < out.cols ? x[row * stride + k] : 0.0f;
    }
    high[t] = bf16_pair(values[0], values[1]);
    low[t] =
        bf16_pair(values[0] - bf16_value(high[t] & 0xFFFF), values[1] - bf16_value(high[t] >> 16));
  }
  const int64_t at = row * padded + first;
  *reinterpret_cast<uint4*>(out.high + at) = {high[0], high[1], high[2], high[3]};
  if (out.low != nullptr) {
    *reinterpret_cast<uint4*>(out.low + at) = {low[0], low[1], low[2], low[3]};
  }
}

// grid [rows, columns / kThreads]
__global__ void gather_kernel(const float* y, int64_t y_stride, Slots slots, const float* weights,
                              int64_t dim, float* out, int64_t out_stride) {
  const int64_t row = blockIdx.x, n = int64_t{blockIdx.y} * kThreads + threadIdx.x;
  if (n >= dim) return;
  float sum = 0;
  for (int64_t use = row * slots.top_k; use < (row + 1) * slots.top_k; ++use) {
    sum += weights[use] * y[slots.slot_of[use] * y_stride + n];
  }
  out[row * out_stride + n] = sum;
}

/// One launch for each format of `formats` that the tensor cores take, and one for the others.
/// `mixed`: the float kernel has something to do in any case.
void launch_formats(const TileProblem& problem, FormatSet formats, bool mixed, Stream stream) {
  bool floats = mixed;
  for (const Format format : {Format::kF32, Format::kF16, Format::kBF16, Format::kQ8_0,
                              Format::kQ4_0, Format::kQ4_K, Format::kQ5_K, Format::kQ6_K}) {
    if ((formats & format_bit(format)) == 0) continue;
    if (on_tensor_cores(problem, format)) {
      launch_bf16_tiles(format, problem, stream);
    } else {
      floats = true;
    }
  }
  if (floats) launch_float_tiles(problem, stream);
}

}  // namespace

void to_bf16_rows(const float* x, int64_t stride, int64_t rows, const Bf16Rows& out,
                  Stream stream) {
  const dim3 grid(static_cast<unsigned>(rows),
                  blocks_for(bf16_padded(out.cols), kThreads * kPiece));
  launch(to_bf16_kernel, {grid, dim3(kThreads)}, stream, x, stride, out);
}

void multiply_tiles(std::span<const Product> products, const TileInput& input, int64_t rows,
                    Stream stream) {
  FormatSet left = 0;
  for (const Product& product : products) left |= format_bit(product.weight.format);
  while (left != 0) {
    // Those of one format, or all that the float kernel takes, which looks at each by itself.
    TileProblem problem;
    problem.input = input;
    problem.cols = products[0].weight.cols;
    problem.rows = rows;
    FormatSet taken = 0;
    size_t count = 0;
    for (const Product& product : products) {
      const FormatSet bit = format_bit(product.weight.format);
      if ((left & bit) == 0) continue;
      const auto floats = [&](const Product& one) {
        return !on_tensor_cores(problem, one.weight.format);
      };
      const bool together =
          count == 0 || (taken & bit) != 0 || (floats(product) && floats(problem.products[0]));
      if (!together) continue;
      problem.products[count] = product;
      problem.panels[count++] = static_cast<int>(packed_panels(product.weight.rows));
      taken |= bit;
    }
    launch_formats(problem, taken, false, stream);
    left &= ~taken;
  }
}

void hidden_tiles(const Experts& experts, const TileInput& input, const Slots& slots, int64_t rows,
                  const HiddenTiles& hidden, Stream stream) {
  TileProblem problem;
  problem.output = TileOutput::kHidden;
  problem.input = input;
  problem.cols = experts.dim;
  problem.rows = rows;
  problem.slots = slots;
  problem.gathered = true;
  problem.experts = experts;
  problem.hidden = hidden;
  launch_formats(problem, experts.hidden, experts.hidden_mixed, stream);
}

void output_tiles(const Experts& experts, const HiddenTiles& hidden, const Slots& slots,
                  int64_t rows, float* y, int64_t y_stride, Stream stream) {
  TileProblem problem;
  problem.output = TileOutput::kExperts;
  problem.input = {hidden.values, experts.ffn, hidden.bf16};
  problem.cols = experts.ffn;
  problem.rows = rows;
  problem.slots = slots;
  problem.experts = experts;
  problem.y = y;
  problem.y_stride = y_stride;
  launch_formats(problem, experts.output, false, stream);
}

void gather_experts(const float* y, int64_t y_stride, const Slots& slots, const float* weights,
                    int64_t rows, int64_t dim, float* out, int64_t out_stride, Stream stream) {
  const dim3 grid(static_cast<unsigned>(rows), blocks_for(dim, kThreads));
  launch(gather_kernel, {grid, dim3(kThreads)}, stream, y, y_stride, slots, weights, dim, out,
         out_stride);
}

}  // namespace octavo::cuda
