// Which tile of which product a block computes: for one matrix and all rows, or for the experts and
// the rows that go to each.
#pragma once

#include <cstdint>
#include <span>

#include "backend/cuda/kernels/experts_tiles.h"
#include "backend/cuda/kernels/launch.h"
#include "backend/cuda/kernels/tile_value.cuh"

namespace octavo::cuda {

/// What the blocks of one launch compute.
enum class TileOutput : int {
  kProducts,  ///< y of up to three products
  kHidden,    ///< silu(w1 x) * (w3 x) of the experts
  kExperts,   ///< y = w2 hidden of the experts
};

struct TileProblem {
  TileOutput output = TileOutput::kProducts;
  TileInput input;
  int64_t cols = 0;       ///< of the input
  int64_t rows = 0;       ///< of all groups
  Slots slots;            ///< null pointers: one group, slot = row
  bool gathered = false;  ///< a slot's input is the row of its use, not the row of its number
  Experts experts;
  Product products[kMostProducts];
  int panels[kMostProducts] = {};  ///< kProducts: panels of each
  float* y = nullptr;              ///< kExperts
  int64_t y_stride = 0;
  HiddenTiles hidden;  ///< kHidden
};

/// Whether the tensor cores multiply with weights of this format.
__host__ __device__ constexpr bool on_tensor_cores(const TileProblem& problem, Format format) {
  const bool wide = problem.cols >= kLeastBf16Cols || problem.output != TileOutput::kProducts;
  return takes_bf16(format) && wide;
}

/// Rows of a block: slots [first, end) of one expert.
struct RowTile {
  int first, end, expert;
};
/// Tile `index` of all groups' tiles of `size` rows; an empty one behind the last.
__device__ __forceinline__ RowTile row_tile(const TileProblem& problem, int index, int size) {
  if (problem.slots.offsets == nullptr) {
    return {index * size, static_cast<int>(problem.rows), 0};
  }
  for (int e = 0; e < problem.experts.count; ++e) {
    const int first = problem.slots.offsets[e], end = problem.slots.offsets[e + 1];
    const int tiles = (end - first + size - 1) / size;
    if (index < tiles) return {first + index * size, end, e};
    index -= tiles;
  }
  return {0, 0, 0};
}
/// Row of the input that slot `slot` takes.
__device__ __forceinline__ int input_row(const TileProblem& problem, int slot) {
  if (!problem.gathered || problem.slots.use_of == nullptr) return slot;
  return problem.slots.use_of[slot] / static_cast<int>(problem.slots.top_k);
}

/// The matrix of a block and the panel at which its tile begins.
struct MatrixTile {
  const std::byte* data;
  Format format;
  int64_t rows;
  float* y;
  int64_t y_stride;
  int first_panel;
};
/// Tile `index` of all matrices', which are `panels` panels wide each; `which` is 0 and 1 for w1
/// and w3 of kHidden.
__device__ __forceinline__ MatrixTile matrix_tile(const TileProblem& problem, int expert, int which,
                                                  int index, int panels) {
  if (problem.output == TileOutput::kProducts) {
    int i = 0;
    for (int tiles; index >= (tiles = (problem.panels[i] + panels - 1) / panels); ++i) {
      index -= tiles;
    }
    const Product& product = problem.products[i];
    return {product.weight.data, product.weight.format, product.weight.rows,
            product.y,           product.y_stride,      index * panels};
  }
  const ExpertMatrices& matrices = problem.experts.matrices[expert];
  if (problem.output == TileOutput::kExperts) {
    return {matrices.w2, matrices.w2_format, problem.experts.dim,
            problem.y,   problem.y_stride,   index * panels};
  }
  return {which == 0 ? matrices.w1 : matrices.w3,
          which == 0 ? matrices.w1_format : matrices.w3_format,
          problem.experts.ffn,
          nullptr,
          0,
          index * panels};
}

__device__ __forceinline__ float swiglu_of(float gate, float up) {
  return gate / (1.0f + expf(-gate)) * up;
}

/// Tiles of `size` rows in the worst case: every group's last one may hold a single row.
inline unsigned most_row_tiles(const TileProblem& problem, int64_t size) {
  if (problem.slots.offsets == nullptr) return blocks_for(problem.rows, size);
  const int64_t uses = problem.rows * problem.slots.top_k;
  const int64_t groups = uses < problem.experts.count ? uses : problem.experts.count;
  return static_cast<unsigned>((uses + (size - 1) * groups) / size);
}
/// Tiles of `panels` panels of all matrices side by side.
inline unsigned matrix_tiles(const TileProblem& problem, int64_t panels) {
  if (problem.output == TileOutput::kHidden) {
    return blocks_for(bf16_padded(problem.experts.ffn) / kPanelRows, panels);
  }
  if (problem.output == TileOutput::kExperts) {
    return blocks_for(packed_panels(problem.experts.dim), panels);
  }
  unsigned tiles = 0;
  for (const int count : problem.panels) tiles += blocks_for(count, panels);
  return tiles;
}

/// Tensor cores: weights of `format` alone; experts of other formats are left out.
void launch_bf16_tiles(Format format, const TileProblem& problem, Stream stream);
/// Floats: all formats that the tensor cores do not take, and experts whose w1 and w3 differ.
void launch_float_tiles(const TileProblem& problem, Stream stream);

}  // namespace octavo::cuda
