// Which experts a row goes to, decided on the device.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/types.h"

namespace octavo::cuda {

/// logits = x * router^T in f32; the top_k largest, equal ones in the order of their index; their
/// softmax. router [experts, cols] packed f32; logits [rows, experts]; experts, weights [rows,
/// top_k]. A row gives the same bits whatever other rows there are.
void route(const float* x, int64_t stride, int64_t rows, const Matrix& router, int64_t top_k,
           float* logits, int32_t* experts, float* weights, Stream stream);

/// Uses, a use being (row, rank) = row * top_k + rank, sorted by expert, rows in order within one.
struct Slots {
  int32_t* offsets = nullptr;  ///< [experts + 1] first slot of each expert
  int32_t* use_of = nullptr;   ///< [uses] use of each slot
  int32_t* slot_of = nullptr;  ///< [uses] slot of each use
  int64_t top_k = 1;
};

/// Fills `slots` from chosen [rows, top_k], each below `experts`.
void sort_by_expert(const int32_t* chosen, int64_t rows, int64_t experts, const Slots& slots,
                    Stream stream);

}  // namespace octavo::cuda
