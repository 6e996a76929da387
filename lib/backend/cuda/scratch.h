// Device memory of the ops' intermediate results, sized once.
#pragma once

#include "backend/backend.h"
#include "backend/cuda/kernels/bf16_rows.h"
#include "backend/cuda/kernels/experts_few.h"
#include "backend/cuda/kernels/router.h"
#include "backend/cuda/memory.h"

namespace octavo::cuda {

/// Owned memory of a Q8 and of Bf16Rows, for rows of any width up to the one given.
class Q8Buffer {
 public:
  Q8Buffer(int64_t rows, int64_t cols);
  Q8 rows(int64_t cols) const { return {q_.data(), scale_.data(), sum_.data(), cols}; }

 private:
  Buffer<int8_t> q_;
  Buffer<float> scale_;
  Buffer<int32_t> sum_;
};
class Bf16Buffer {
 public:
  Bf16Buffer(int64_t rows, int64_t cols);
  Bf16Rows rows(int64_t cols, bool low) const {
    return {high_.data(), low ? low_.data() : nullptr, cols};
  }

 private:
  Buffer<uint16_t> high_, low_;
};

struct Scratch {
  explicit Scratch(const BackendLimits& limits);

  int64_t uses;  ///< rows * top_k at most
  // Few rows.
  Q8Buffer few_in, few_hidden;  ///< [kFewRows, cols], [kFewRows * top_k, ffn]
  Buffer<float> few_values;     ///< [kFewRows * top_k, ffn]
  Buffer<float> partial_sums;   ///< of blocks that share a result
  Buffer<int32_t> arrived;      ///< zeros between launches
  // Many rows.
  Bf16Buffer tile_in, tile_hidden;  ///< [rows, cols], [uses, ffn]
  Buffer<float> hidden;             ///< [uses, ffn]
  Buffer<float> outputs;            ///< [uses, cols]
  // The router.
  Buffer<float> logits, weights;             ///< [rows, experts], [rows, top_k]
  Buffer<int32_t> experts;                   ///< [rows, top_k]
  Buffer<int32_t> offsets, use_of, slot_of;  ///< [experts + 1], [uses], [uses]

  Partials partials() const { return {partial_sums.data(), arrived.data()}; }
  Slots slots(int64_t top_k) const {
    return {offsets.data(), use_of.data(), slot_of.data(), top_k};
  }
};

}  // namespace octavo::cuda
