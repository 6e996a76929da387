// Products of many rows on tensor cores, in bf16 with f32 sums.
//
// A block of four warps computes 128 rows by 8 panels (128 outputs); each warp 64 by 64. Steps of
// 64 columns go through three buffers in shared memory by cp.async: activations in bf16, their
// chunks of 16 bytes permuted by the row so that ldmatrix meets no bank conflict, and weights as
// they lie in the model file, 4.5 bits each rather than 16. Lanes make bf16 of them when they need
// them (tile_chunks.cuh). docs/gpu-kernels.md counts what this costs.
#include <utility>

#include "backend/cuda/kernels/tile_chunks.cuh"
#include "backend/cuda/kernels/tile_problem.cuh"

namespace octavo::cuda {
namespace {

constexpr int kThreads = 128, kWarps = kThreads / kWarp;
constexpr int kRows = 128, kPanels = 8;
constexpr int kWarpRows = 64, kWarpPanels = 4;
constexpr int kRowTiles = kWarpRows / 16;
constexpr int kPieceCols = kPieceBytes / 2;
constexpr int kRowBytes = kChunkCols * 2, kRowPieces = kRowBytes / kPieceBytes;
constexpr int kPlaneBytes = kRows * kRowBytes;

/// What the buffers of a format hold.
template <Format kFormat>
struct Buffers {
  static constexpr bool kLow = takes_low(kFormat);
  static constexpr int kPlanes = kLow ? 2 : 1;
  static constexpr int kPanelBytes = Chunk<kFormat>::kPieces * kPieceBytes;
  static constexpr int kBytes = kPlanes * kPlaneBytes + kPanels * kPanelBytes;
  static constexpr int kStages = kLow ? 2 : 3;
};

/// What the threads of a block share about it.
struct BlockTile {
  uint32_t row_piece[kRows];        // first of each row of the input, in pieces of 16 bytes
  const std::byte* panel[kPanels];  // null: behind the last
};

/// One panel of each pair is of w1, the next of w3, so that a lane has both sides of a hidden
/// value.
__device__ bool find_block(const TileProblem& problem, Format format, BlockTile& tile,
                           RowTile& rows) {
  rows = row_tile(problem, static_cast<int>(blockIdx.x), kRows);
  if (rows.first >= rows.end) return false;
  const bool hidden = problem.output == TileOutput::kHidden;
  const int index = static_cast<int>(blockIdx.y), thread = static_cast<int>(threadIdx.x);
  const MatrixTile first =
      matrix_tile(problem, rows.expert, 0, index, hidden ? kPanels / 2 : kPanels);
  if (first.format != format) return false;
  if (hidden && problem.experts.matrices[rows.expert].w3_format != format) return false;
  if (thread < kPanels) {
    const MatrixTile mine =
        hidden ? matrix_tile(problem, rows.expert, thread % 2, index, kPanels / 2) : first;
    const int panel = mine.first_panel + (hidden ? thread / 2 : thread);
    const bool there = panel * kPanelRows < mine.rows;
    tile.panel[thread] = there ? mine.data + panel * panel_bytes(format, problem.cols) : nullptr;
  }
  static_assert(kRows == kThreads);
  // Rows behind the last one repeat it; what they give is not written.
  const int slot = min(rows.first + thread, rows.end - 1);
  tile.row_piece[thread] =
      static_cast<uint32_t>(input_row(problem, slot) * (bf16_padded(problem.cols) / kPieceCols));
  __syncthreads();
  return true;
}

/// Starts to bring chunk `chunk` of 64 columns to `buffer`.
template <Format kFormat>
__device__ __forceinline__ void fetch(const TileProblem& problem, const BlockTile& tile, int chunk,
                                      std::byte* buffer) {
  using Weights = Chunk<kFormat>;
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp;
  const Bf16Rows& in = problem.input.bf16;
#pragma unroll
  for (int i = 0; i < kRows * kRowPieces / kThreads; ++i) {
    const int row = i * (kThreads / kRowPieces) + thread / kRowPieces, piece = thread % kRowPieces;
    const size_t from = tile.row_piece[row] + static_cast<uint32_t>(chunk * kRowPieces + piece);
    std::byte* const to = buffer + row * kRowBytes + (piece ^ row % 8) * kPieceBytes;
    copy_async(to, in.high + from * kPieceCols);
    if constexpr (takes_low(kFormat)) copy_async(to + kPlaneBytes, in.low + from * kPieceCols);
  }
  // Each warp brings two panels.
  const int64_t bytes = panel_bytes(kFormat, problem.cols);
  std::byte* const weights = buffer + Buffers<kFormat>::kPlanes * kPlaneBytes;
#pragma unroll
  for (int p = 0; p < kPanels / kWarps; ++p) {
    const int panel = thread / kWarp * (kPanels / kWarps) + p;
    const std::byte* const data = tile.panel[panel];
    std::byte* const to = weights + panel * Buffers<kFormat>::kPanelBytes;
#pragma unroll
    for (int first = 0; first < Weights::kPieces; first += kWarp) {
      const int piece = first + lane;
      if (piece >= Weights::kPieces) break;
      const int64_t from = Weights::source(chunk, piece);
      const bool there = data != nullptr && from < bytes;
      copy_async(to + Weights::place(piece) * kPieceBytes,
                 there ? data + from : reinterpret_cast<const std::byte*>(in.high),
                 there ? kPieceBytes : 0);
    }
  }
}

using Sums = float[kRowTiles][kWarpPanels][2][4];

/// Adds the products of one chunk.
template <Format kFormat>
__device__ __forceinline__ void multiply_chunk(const std::byte* buffer, int chunk, Sums& sums) {
  using Weights = Chunk<kFormat>;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const LanePlace place = lane_place();
  const int row = warp % 2 * kWarpRows + lane % 16;
  const std::byte* const rows = buffer + row * kRowBytes;
  const std::byte* const panels = buffer + Buffers<kFormat>::kPlanes * kPlaneBytes +
                                  warp / 2 * kWarpPanels * Buffers<kFormat>::kPanelBytes;
#pragma unroll
  for (int half = 0; half < kChunkCols / kHalfCols; ++half) {
    typename Weights::Scales scales[kWarpPanels];
#pragma unroll
    for (int p = 0; p < kWarpPanels; ++p) {
      scales[p] = Weights::scales(panels + p * Buffers<kFormat>::kPanelBytes, chunk, half, place);
    }
#pragma unroll
    for (int part = 0; part < 2; ++part) {
      const int piece = (2 * (2 * half + part) + lane / 16) ^ row % 8;
      uint32_t a[Buffers<kFormat>::kPlanes][kRowTiles][4];
#pragma unroll
      for (int plane = 0; plane < Buffers<kFormat>::kPlanes; ++plane) {
#pragma unroll
        for (int m = 0; m < kRowTiles; ++m) {
          load_matrices(a[plane][m],
                        rows + plane * kPlaneBytes + m * 16 * kRowBytes + piece * kPieceBytes);
        }
      }
#pragma unroll
      for (int p = 0; p < kWarpPanels; ++p) {
        const Fragments weights = Weights::fragments(panels + p * Buffers<kFormat>::kPanelBytes,
                                                     half, part, place, scales[p]);
#pragma unroll
        for (int plane = 0; plane < Buffers<kFormat>::kPlanes; ++plane) {
#pragma unroll
          for (int m = 0; m < kRowTiles; ++m) {
            mma_bf16(sums[m][p][0], a[plane][m], weights.b[0]);
            mma_bf16(sums[m][p][1], a[plane][m], weights.b[1]);
          }
        }
      }
    }
  }
}

/// Outputs 4 t .. 4 t + 3 of a panel, for row 8 * half + g of a tile of 16 rows.
__device__ __forceinline__ float4 four_outputs(const float (&sums)[2][4], int half) {
  return {sums[0][2 * half], sums[1][2 * half], sums[0][2 * half + 1], sums[1][2 * half + 1]};
}

__device__ __forceinline__ void store_four(float* row, int64_t n, int64_t outputs, float4 values) {
  if (n < outputs) row[n] = values.x;
  if (n + 1 < outputs) row[n + 1] = values.y;
  if (n + 2 < outputs) row[n + 2] = values.z;
  if (n + 3 < outputs) row[n + 3] = values.w;
}

/// Columns n .. n + 3 of a row of bf16 numbers, n a multiple of 4.
__device__ __forceinline__ void store_bf16(const Bf16Rows& out, int64_t row, int64_t n,
                                           float4 values) {
  const int64_t at = row * bf16_padded(out.cols) + bf16_place(n);
  const uint32_t first = bf16_pair(values.x, values.y), next = bf16_pair(values.z, values.w);
  *reinterpret_cast<uint32_t*>(out.high + at) = first;
  *reinterpret_cast<uint32_t*>(out.high + at + 8) = next;
  if (out.low == nullptr) return;
  const auto rest = [](float value, uint32_t bits) { return value - bf16_value(bits & 0xFFFF); };
  *reinterpret_cast<uint32_t*>(out.low + at) =
      bf16_pair(rest(values.x, first), rest(values.y, first >> 16));
  *reinterpret_cast<uint32_t*>(out.low + at + 8) =
      bf16_pair(rest(values.z, next), rest(values.w, next >> 16));
}

__device__ __forceinline__ void store_hidden(const TileProblem& problem, int64_t slot, int64_t n,
                                             float4 gate, float4 up) {
  const float4 values = {swiglu_of(gate.x, up.x), swiglu_of(gate.y, up.y), swiglu_of(gate.z, up.z),
                         swiglu_of(gate.w, up.w)};
  const HiddenTiles& hidden = problem.hidden;
  const int64_t ffn = problem.experts.ffn;
  if (hidden.bf16.high != nullptr) store_bf16(hidden.bf16, slot, n, values);
  if (hidden.values != nullptr) store_four(hidden.values + slot * ffn, n, ffn, values);
}

__device__ __forceinline__ void store_sums(const TileProblem& problem, const RowTile& rows,
                                           const Sums& sums) {
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const LanePlace place = lane_place();
  const bool hidden = problem.output == TileOutput::kHidden;
  const MatrixTile matrix = matrix_tile(problem, rows.expert, 0, static_cast<int>(blockIdx.y),
                                        hidden ? kPanels / 2 : kPanels);
  const int first_panel = matrix.first_panel + warp / 2 * (hidden ? kWarpPanels / 2 : kWarpPanels);
#pragma unroll
  for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int64_t slot = rows.first + warp % 2 * kWarpRows + m * 16 + half * 8 + place.g;
      if (slot >= rows.end) continue;
#pragma unroll
      for (int p = 0; p < kWarpPanels; ++p) {
        const int panel = first_panel + (hidden ? p / 2 : p);
        const int64_t n = int64_t{panel} * kPanelRows + 4 * place.t;
        if (!hidden) {
          store_four(matrix.y + slot * matrix.y_stride, n, matrix.rows,
                     four_outputs(sums[m][p], half));
        } else if (p % 2 == 1) {
          store_hidden(problem, slot, n, four_outputs(sums[m][p - 1], half),
                       four_outputs(sums[m][p], half));
        }
      }
    }
  }
}

// grid [tiles of rows, tiles of outputs]: blocks with the same weights are neighbours in time.
template <Format kFormat>
__global__ void __launch_bounds__(kThreads, 2) multiply_tile(const TileProblem problem) {
  using Buffer = Buffers<kFormat>;
  OCTAVO_DYNAMIC_SHARED(std::byte, buffers);
  __shared__ BlockTile tile;
  RowTile rows;
  if (!find_block(problem, kFormat, tile, rows)) return;

  const int chunks = static_cast<int>(bf16_padded(problem.cols) / kChunkCols);
  for (int c = 0; c < Buffer::kStages - 1; ++c) {
    if (c < chunks) fetch<kFormat>(problem, tile, c, buffers + c * Buffer::kBytes);
    commit_copies();
  }
  Sums sums = {};
  for (int c = 0; c < chunks; ++c) {
    wait_copies<Buffer::kStages - 2>();
    __syncthreads();  // the chunk is there for all, and nobody reads the buffer that is filled next
    const int next = c + Buffer::kStages - 1;
    if (next < chunks) {
      fetch<kFormat>(problem, tile, next, buffers + next % Buffer::kStages * Buffer::kBytes);
    }
    commit_copies();
    multiply_chunk<kFormat>(buffers + c % Buffer::kStages * Buffer::kBytes, c, sums);
  }
  store_sums(problem, rows, sums);
}

template <Format kFormat>
void launch_tiles(const TileProblem& problem, Stream stream) {
  using Buffer = Buffers<kFormat>;
  static_assert(Buffer::kStages * Buffer::kBytes + sizeof(BlockTile) <= kMostSharedBytes);
  const bool hidden = problem.output == TileOutput::kHidden;
  const LaunchShape shape = {
      dim3(most_row_tiles(problem, kRows), matrix_tiles(problem, hidden ? kPanels / 2 : kPanels)),
      dim3(kThreads), size_t{Buffer::kStages} * Buffer::kBytes};
  launch(multiply_tile<kFormat>, shape, stream, problem);
}

}  // namespace

void launch_bf16_tiles(Format format, const TileProblem& problem, Stream stream) {
  switch (format) {
    case Format::kF32:
    case Format::kF16:
      return;  // takes_bf16() says no
    case Format::kBF16:
      return launch_tiles<Format::kBF16>(problem, stream);
    case Format::kQ8_0:
      return launch_tiles<Format::kQ8_0>(problem, stream);
    case Format::kQ4_0:
      return launch_tiles<Format::kQ4_0>(problem, stream);
    case Format::kQ4_K:
      return launch_tiles<Format::kQ4_K>(problem, stream);
    case Format::kQ5_K:
      return launch_tiles<Format::kQ5_K>(problem, stream);
    case Format::kQ6_K:
      return launch_tiles<Format::kQ6_K>(problem, stream);
  }
}

}  // namespace octavo::cuda
