// Products of many rows in f32, for weights with more digits than bf16, and for the rare expert
// whose w1 and w3 have different formats. A block computes 64 rows by 4 panels in steps of 16
// columns; a thread 4 rows by 4 outputs, of both matrices for hidden values.
#include "backend/cuda/kernels/numbers.cuh"
#include "backend/cuda/kernels/tile_problem.cuh"
#include "backend/cuda/kernels/tile_value.cuh"

namespace octavo::cuda {
namespace {

constexpr int kThreads = 256, kRows = 64, kPanels = 4, kOutputs = kPanels * kPanelRows;
constexpr int kCols = 16, kEach = 4;

struct Operands {
  float x[kCols][kRows + 4];  // the 4 keep the columns' stores in different banks
  float w[2][kCols][kOutputs + 4];
};

/// Whether the tensor cores have what this block would compute.
__device__ bool is_taken(const TileProblem& problem, const RowTile& rows, Format format) {
  if (!on_tensor_cores(problem, format)) return false;
  if (problem.output != TileOutput::kHidden) return true;
  const ExpertMatrices& expert = problem.experts.matrices[rows.expert];
  return expert.w1_format == expert.w3_format;
}

/// Zeros behind the last column and the last row.
__device__ void load_weights(const MatrixTile& matrix, int64_t cols, int64_t first_col,
                             float (*w)[kOutputs + 4]) {
  const int thread = static_cast<int>(threadIdx.x);
  const Matrix whole = {matrix.format, Order::kPacked, matrix.rows, cols, matrix.data};
  for (int i = thread; i < kCols * kOutputs; i += kThreads) {
    const int n = i % kOutputs, k = i / kOutputs;
    const int64_t row = int64_t{matrix.first_panel} * kPanelRows + n, col = first_col + k;
    w[k][n] = row < matrix.rows && col < cols ? matrix_value(whole, row, col) : 0.0f;
  }
}

__device__ void load_rows(const TileProblem& problem, const RowTile& rows, int64_t first_col,
                          float (*x)[kRows + 4]) {
  const int thread = static_cast<int>(threadIdx.x);
  for (int i = thread; i < kCols * kRows; i += kThreads) {
    const int k = i % kCols, m = i / kCols, slot = min(rows.first + m, rows.end - 1);
    const int64_t col = first_col + k;
    const float* row = problem.input.x + input_row(problem, slot) * problem.input.stride;
    x[k][m] = col < problem.cols ? row[col] : 0.0f;
  }
}

__device__ void store_hidden(const TileProblem& problem, int64_t slot, int64_t n, float value) {
  const HiddenTiles& hidden = problem.hidden;
  const int64_t ffn = problem.experts.ffn;
  if (hidden.values != nullptr && n < ffn) hidden.values[slot * ffn + n] = value;
  if (hidden.bf16.high == nullptr || n >= bf16_padded(ffn)) return;
  const int64_t at = slot * bf16_padded(ffn) + bf16_place(n);
  const uint32_t high = bf16_bits(value);
  hidden.bf16.high[at] = static_cast<uint16_t>(high);
  if (hidden.bf16.low == nullptr) return;
  hidden.bf16.low[at] = static_cast<uint16_t>(bf16_bits(value - bf16_value(high)));
}

// grid [tiles of rows, tiles of outputs]
template <int kMatrices>
__global__ void __launch_bounds__(kThreads) multiply_floats(const TileProblem problem) {
  __shared__ Operands operands;
  const RowTile rows = row_tile(problem, static_cast<int>(blockIdx.x), kRows);
  if (rows.first >= rows.end) return;
  MatrixTile matrix[kMatrices];
#pragma unroll
  for (int i = 0; i < kMatrices; ++i) {
    matrix[i] = matrix_tile(problem, rows.expert, i, static_cast<int>(blockIdx.y), kPanels);
  }
  if (is_taken(problem, rows, matrix[0].format)) return;

  const int m = static_cast<int>(threadIdx.x) / 16 * kEach;
  const int n = static_cast<int>(threadIdx.x) % 16 * kEach;
  float sum[kMatrices][kEach][kEach] = {};
  for (int64_t first = 0; first < problem.cols; first += kCols) {
    load_rows(problem, rows, first, operands.x);
#pragma unroll
    for (int i = 0; i < kMatrices; ++i) {
      load_weights(matrix[i], problem.cols, first, operands.w[i]);
    }
    __syncthreads();
    for (int k = 0; k < kCols; ++k) {
#pragma unroll
      for (int i = 0; i < kMatrices * kEach * kEach; ++i) {
        const int a = i / kEach % kEach, b = i % kEach, which = i / (kEach * kEach);
        sum[which][a][b] += operands.x[k][m + a] * operands.w[which][k][n + b];
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < kEach * kEach; ++i) {
    const int a = i / kEach, b = i % kEach;
    const int64_t slot = rows.first + m + a;
    const int64_t output = int64_t{matrix[0].first_panel} * kPanelRows + n + b;
    if (slot >= rows.end) continue;
    if constexpr (kMatrices == 2) {
      store_hidden(problem, slot, output, swiglu_of(sum[0][a][b], sum[1][a][b]));
    } else if (output < matrix[0].rows) {
      matrix[0].y[slot * matrix[0].y_stride + output] = sum[0][a][b];
    }
  }
}

}  // namespace

void launch_float_tiles(const TileProblem& problem, Stream stream) {
  const LaunchShape shape = {dim3(most_row_tiles(problem, kRows), matrix_tiles(problem, kPanels)),
                             dim3(kThreads)};
  const bool hidden = problem.output == TileOutput::kHidden;
  launch(hidden ? multiply_floats<2> : multiply_floats<1>, shape, stream, problem);
}

}  // namespace octavo::cuda
