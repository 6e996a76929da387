// What kernels and their callers speak of. Plain C++: for nvcc and for the host's compiler.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/tensor.h"

struct CUstream_st;

namespace octavo::cuda {

using Stream = CUstream_st*;  ///< CUDA's cudaStream_t

/// A weight on the device, in the bytes of the model file (r16k4, quant/tile.h).
struct Matrix {
  Format format = Format::kF32;
  Order order = Order::kPacked;
  int64_t rows = 0, cols = 0;
  const std::byte* data = nullptr;
  bool operator==(const Matrix&) const = default;
};

/// Activations quantized to int8 in blocks of 32, as simd/kernels.h' Q8Rows.
struct Q8 {
  int8_t* q = nullptr;     ///< [rows, padded]
  float* scale = nullptr;  ///< [rows, padded / 32]
  int32_t* sum = nullptr;  ///< [rows, padded / 32], sum of the block's q
  int64_t cols = 0;        ///< q8_padded(cols) is the width of a row
};
/// Whole tiles of q8_0 and q4_0; those of 256 columns are whole by themselves.
constexpr int64_t q8_padded(int64_t cols) { return (cols + 63) / 64 * 64; }

}  // namespace octavo::cuda
