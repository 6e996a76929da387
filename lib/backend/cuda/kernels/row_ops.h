// Ops on single rows: float32 in device memory, row-major.
#pragma once

#include "backend/cuda/kernels/types.h"

namespace octavo::cuda {

/// out[i] = row ids[i] of table; ids [rows] in device memory, out [rows, table.cols].
void embed(const Matrix& table, const int32_t* ids, int64_t rows, float* out, Stream stream);
/// out = x / sqrt(mean(x^2) + eps) * gain, and what a few rows need before and behind it, so that
/// it takes no kernel of its own.
struct NormRows {
  float* x = nullptr;            ///< [rows, cols]
  const float* added = nullptr;  ///< [rows, cols], added to x first; null: nothing is
  const float* gain = nullptr;   ///< [cols]
  float eps = 0;
  float* out = nullptr;  ///< [rows, cols]; may be x
  Q8 q8 = {};            ///< out as quantize_q8 has it; q null: it is not wanted
};
void rmsnorm(const NormRows& norm, int64_t rows, int64_t cols, Stream stream);
/// y += x; both [count].
void add(float* y, int64_t count, const float* x, Stream stream);
/// x [rows, stride], of which the first out.cols are read: scale = max |x| / 127, round to nearest
/// even.
void quantize_q8(const float* x, int64_t stride, int64_t rows, const Q8& out, Stream stream);

}  // namespace octavo::cuda
