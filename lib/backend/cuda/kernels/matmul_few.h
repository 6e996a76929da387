// Products of a few rows: weights are read once, as fast as memory gives them.
#pragma once

#include <cstdint>
#include <span>

#include "backend/cuda/kernels/types.h"

namespace octavo::cuda {

/// Rows that one pass takes; a caller with a few more (up to kTileLeastRows) makes several passes.
inline constexpr int64_t kFewRows = 8;
/// Matrices of one launch.
inline constexpr size_t kMostProducts = 3;

/// y[r, n] = sum over k of weight[n, k] * x[r, k]
struct Product {
  Matrix weight;
  float* y = nullptr;  ///< [rows, y_stride], on the device
  int64_t y_stride = 0;
  bool operator==(const Product&) const = default;
};

/// The input of a product, as floats for float weights and quantized for the others. Either may be
/// null where no weight asks for it.
struct FewInput {
  const float* x = nullptr;  ///< [rows, stride]
  int64_t stride = 0;
  Q8 q8;
};

/// What blocks that share a sum leave for the last of them. Only launches of one stream share it.
struct Partials {
  float* sums = nullptr;       ///< [partial_sums(..)]
  int32_t* arrived = nullptr;  ///< [partial_counters(..)], zeros before the first launch
};
/// Sizes that are enough for products of any shape.
int64_t few_partial_sums();
int64_t few_partial_counters();

/// All products (1 to kMostProducts, of equal width) of rows 1 to kFewRows in one launch.
void multiply_few(std::span<const Product> products, const FewInput& input, int64_t rows,
                  const Partials& partials, Stream stream);

}  // namespace octavo::cuda
