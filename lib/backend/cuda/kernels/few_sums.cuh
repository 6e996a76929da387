// Sums of products of few rows: over the units of a panel by warps, over the lanes, over the warps
// of a block, and over blocks. Every order is fixed, so equal input gives equal bits.
#pragma once

#include <algorithm>
#include <cstdint>

#include "backend/cuda/kernels/few_float_units.cuh"
#include "backend/cuda/kernels/few_units.cuh"
#include "backend/cuda/kernels/tile_value.cuh"
#include "quant/format.h"

namespace octavo::cuda {

constexpr int kFewThreads = 256, kFewWarps = kFewThreads / kWarp;

/// Fewer blocks than these leave processors idle: panels are then shared by several blocks.
constexpr int64_t kWantedBlocks = 512;
/// Blocks that share one of `blocks` sums over `cols` columns. Each warp keeps a unit of 64 columns
/// for all its lanes. It depends on the shapes alone, and so do the bits of the sums.
inline int64_t shared_parts(int64_t blocks, int64_t cols) {
  const int64_t most = std::min(kWantedBlocks / blocks, cols / 64 / (kFewWarps * kWarpUnits));
  return std::max<int64_t>(most, 1);
}

/// Which rows of the input, and for which a panel is multiplied with them.
template <int kRows>
struct RowList {
  int row[kRows];
  int count;
};

/// Adds to sum[r] the share `part` of `parts` of a panel's units times row r.
template <Format kFormat, int kRows>
__device__ __forceinline__ void add_units(const std::byte* matrix, int64_t panel, int64_t cols,
                                          int part, int parts, const FewInput& input,
                                          const RowList<kRows>& rows,
                                          float (&sum)[kRows][kLaneRows]) {
  constexpr TileShape kTile = tile_shape(kFormat);
  constexpr int kUnits = kTile.cols / Unit<kFormat>::kCols;
  const int lane = static_cast<int>(threadIdx.x % kWarp), quarter = lane % kUnitLanes;
  const int tiles = static_cast<int>((cols + kTile.cols - 1) / kTile.cols);
  const std::byte* first = matrix + panel * tiles * kTile.bytes;
  for (int unit = part * kWarpUnits + lane / kUnitLanes; unit < tiles * kUnits;
       unit += parts * kWarpUnits) {
    Unit<kFormat> weights;
    weights.load(first + int64_t{unit / kUnits} * kTile.bytes, unit % kUnits, quarter);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      if (r >= rows.count) break;
      weights.add(few_row<kFormat>(input, cols, rows.row[r]), unit * Unit<kFormat>::kCols, sum[r]);
    }
  }
}

/// The same for a format that is known when it runs, the same in all lanes.
template <int kRows>
__device__ __forceinline__ void add_panel(Format format, const std::byte* matrix, int64_t panel,
                                          int64_t cols, int part, int parts, const FewInput& input,
                                          const RowList<kRows>& rows,
                                          float (&sum)[kRows][kLaneRows]) {
  switch (format) {
#define OCTAVO_CASE(name) \
  case Format::name:      \
    return add_units<Format::name>(matrix, panel, cols, part, parts, input, rows, sum)
    OCTAVO_CASE(kF32);
    OCTAVO_CASE(kF16);
    OCTAVO_CASE(kBF16);
    OCTAVO_CASE(kQ8_0);
    OCTAVO_CASE(kQ4_0);
    OCTAVO_CASE(kQ4_K);
    OCTAVO_CASE(kQ5_K);
    OCTAVO_CASE(kQ6_K);
#undef OCTAVO_CASE
  }
}

/// Sums over the units of the warp, into sums [kRows][kPanelRows] of shared memory.
template <int kRows>
__device__ __forceinline__ void store_warp_sums(float (&sum)[kRows][kLaneRows], int count,
                                                float (*sums)[kPanelRows]) {
  const int lane = static_cast<int>(threadIdx.x % kWarp);
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    if (r >= count) break;
#pragma unroll
    for (int i = 0; i < kLaneRows; ++i) {
      for (int lanes = kWarp / 2; lanes >= kUnitLanes; lanes /= 2) {
        sum[r][i] += __shfl_xor_sync(kAllLanes, sum[r][i], lanes);
      }
      if (lane < kUnitLanes) sums[r][lane * kLaneRows + i] = sum[r][i];
    }
  }
}

/// True in the last block that comes here of `blocks` that share a counter; what the others wrote
/// before is then visible. The counter is zero again afterwards. `last` is shared memory.
__device__ __forceinline__ bool last_to_arrive(int32_t* counter, int blocks, bool* last) {
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    *last = atomicAdd(counter, 1) == blocks - 1;
    if (*last) *counter = 0;
    __threadfence();
  }
  __syncthreads();
  return *last;
}

}  // namespace octavo::cuda
