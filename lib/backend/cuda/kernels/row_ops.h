// Ops on single rows: float32 in device memory, row-major.
#pragma once

#include "backend/cuda/kernels/types.h"

namespace octavo::cuda {

/// out[i] = row ids[i] of table; ids [rows] in device memory, out [rows, table.cols].
void embed(const Matrix& table, const int32_t* ids, int64_t rows, float* out, Stream stream);
/// out = x / sqrt(mean(x^2) + eps) * gain; x, out [rows, cols], gain [cols]. out may be x.
void rmsnorm(const float* x, int64_t rows, int64_t cols, const float* gain, float eps, float* out,
             Stream stream);
/// y += x; both [count].
void add(float* y, int64_t count, const float* x, Stream stream);
/// x [rows, stride], of which the first out.cols are read: scale = max |x| / 127, round to nearest
/// even.
void quantize_q8(const float* x, int64_t stride, int64_t rows, const Q8& out, Stream stream);
/// out = silu(gate) * up; all [count]. out may be either of them.
void swiglu(const float* gate, const float* up, int64_t count, float* out, Stream stream);

}  // namespace octavo::cuda
