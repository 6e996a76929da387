// Products of many rows, on tensor cores.
#pragma once

#include <cstdint>
#include <span>

#include "backend/cuda/kernels/bf16_rows.h"
#include "backend/cuda/kernels/experts.h"
#include "backend/cuda/kernels/matmul_few.h"

namespace octavo::cuda {

/// From how many rows on products run in tiles. Fewer rows go through multiply_few, in passes.
inline constexpr int64_t kTileLeastRows = 16;

/// A product narrower than one instruction of the tensor cores is multiplied as floats: it would
/// gain nothing, and each of its few terms would be rounded alone.
inline constexpr int64_t kLeastBf16Cols = 16;
/// Whether weights of this format go through the tensor cores, in bf16. The others (f32, f16) have
/// more digits than bf16 and are multiplied as floats.
constexpr bool takes_bf16(Format format) {
  return format != Format::kF32 && format != Format::kF16;
}
/// Whether they meet both parts of the activations, so that weights of bf16 lose nothing.
constexpr bool takes_low(Format format) { return format == Format::kBF16; }

/// The input of a product of many rows.
struct TileInput {
  const float* x = nullptr;  ///< [rows, stride]
  int64_t stride = 0;
  Bf16Rows bf16;  ///< of the same rows; high null where none does, low null where none takes_low()
};

/// All products (1 to kMostProducts, of equal width), any number of rows. One launch for each kind
/// of format among them.
void multiply_tiles(std::span<const Product> products, const TileInput& input, int64_t rows,
                    Stream stream);

}  // namespace octavo::cuda
