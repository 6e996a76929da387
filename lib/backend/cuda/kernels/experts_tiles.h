// The routed experts for many rows: products of groups of rows that belong to one expert each.
//
// Groups are as long as they are. Tiles of 128 rows are counted on the device from the groups'
// ends; there is neither a capacity nor padding to one, and no row is dropped (block-sparse
// products in the sense of MegaBlocks, arXiv 2211.15841).
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/experts.h"
#include "backend/cuda/kernels/matmul_tiles.h"
#include "backend/cuda/kernels/router.h"

namespace octavo::cuda {

/// silu(w1 x) * (w3 x) in the order of the slots.
struct HiddenTiles {
  float* values = nullptr;  ///< [uses, ffn]; null where every w2 takes_bf16()
  Bf16Rows bf16;            ///< [uses, ..], cols = ffn; null as in TileInput
};

/// `slots` with null pointers: the dense case, one expert for all rows, slot = row.
void hidden_tiles(const Experts& experts, const TileInput& input, const Slots& slots, int64_t rows,
                  const HiddenTiles& hidden, Stream stream);

/// y[slot] = w2 hidden[slot]; y [uses, y_stride].
void output_tiles(const Experts& experts, const HiddenTiles& hidden, const Slots& slots,
                  int64_t rows, float* y, int64_t y_stride, Stream stream);

/// out[r] = sum over the ranks, in order, of weights[r, rank] * y[slot of that use]. cols [dim].
void gather_experts(const float* y, int64_t y_stride, const Slots& slots, const float* weights,
                    int64_t rows, int64_t dim, float* out, int64_t out_stride, Stream stream);

}  // namespace octavo::cuda
