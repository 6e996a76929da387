// matmul_wide with AMX tiles: 32 rows by 32 outputs at a time. The same numbers as
// matmul_wide-inl.h, bit by bit.
#if defined(OCTAVO_SIMD_MATMUL_WIDE_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_MATMUL_WIDE_TILES_INL_H_
#undef OCTAVO_SIMD_MATMUL_WIDE_TILES_INL_H_
#else
#define OCTAVO_SIMD_MATMUL_WIDE_TILES_INL_H_
#endif

#include "simd/hardware_tiles-inl.h"
#include "simd/matmul_wide-inl.h"

#if HWY_TARGET == HWY_AVX3_DL
OCTAVO_BEFORE_TILES();
namespace octavo {
namespace HWY_NAMESPACE {

static_assert(kTileRows == kWideRows && kTileRowBytes == kWideTileCols);
static_assert(kWidePanels == kPairPanels && kVectors == 1);

/// Rows that share one unpacking; their sums stay in the first-level cache.
constexpr int64_t kWideTileChunk = 128;

/// What one call keeps beside the tiles. Two of each: integers are added to the sums, and the next
/// group's weights unpacked, while the tiles work on the other.
struct WideTileBuffers {
  HWY_ALIGN float sums[kWideTileChunk * kPairWidth];                // [rows][outputs]
  HWY_ALIGN int32_t dots[2][kPairBlocks * kWideRows * kPairWidth];  // [rows][outputs]
  WideWeights weights[2];
};

/// Integers of one group that are not in the sums yet.
struct WaitingDots {
  int64_t rows = 0;
  const int32_t* dots = nullptr;   // [rows][kPairWidth]
  const float* scale = nullptr;    // [rows] of the activations
  const WideWeights* w = nullptr;  // for their scales
  float* sums = nullptr;           // [rows][kPairWidth]
};

/// dots = the products of kBlocks blocks of activations at q and one group of kPanels panels.
template <int kBlocks, int kPanels, class Tiles>
HWY_INLINE void wide_tile_dots(Tiles& tiles, const int8_t* q, const WideWeights& w, int32_t* dots) {
  zero_sums<kBlocks, kPanels>(tiles);
  for (int t = 0; t < kWideTiles; ++t, q += kTileBytes) {
    tiles.template load<kRowTile<0>>(q, kTileRowBytes);
    if constexpr (kBlocks == 2) {
      tiles.template load<kRowTile<1>>(q + kWideRows * kWideCols, kTileRowBytes);
    }
    tiles.template load<kWeightTile<0>>(w.bytes[0] + t * kTileBytes, kTileRowBytes);
    if constexpr (kPanels == 2) {
      tiles.template load<kWeightTile<1>>(w.bytes[1] + t * kTileBytes, kTileRowBytes);
    }
    for_sum_tiles<kBlocks, kPanels>([&]<int kB, int kP>() {
      tiles.template dot_int8<kSumTile<kB, kP>, kRowTile<kB>, kWeightTile<kP>>();
    });
  }
  store_sums<kBlocks, kPanels>(tiles, dots);
}

template <int kPanels>
HWY_INLINE void add_dots(const WaitingDots& waiting) {
  if (waiting.rows == 0) return;
  VF weight_scale[kPanels];
  for (int p = 0; p < kPanels; ++p) weight_scale[p] = hn::Load(DF(), waiting.w->scale[p]);
  for (int64_t r = 0; r < waiting.rows; ++r) {
    for (int p = 0; p < kPanels; ++p) {
      const int64_t at = r * kPairWidth + p * kPanelRows;
      float* to = waiting.sums + at;
      const VI dot = hn::Load(DI(), waiting.dots + at);
      hn::Store(add_block(dot, weight_scale[p], waiting.scale[r], hn::Load(DF(), to)), DF(), to);
    }
  }
}

/// kPanels panels from `panel` on, for up to kWideTileChunk rows from block `block` on.
template <Format kFormat, int kPanels, class Tiles>
HWY_NOINLINE void wide_tile_panels(Tiles& tiles, WideTileBuffers& buffers, const std::byte* panel,
                                   int64_t cols, const WideRows& x, int64_t block, int64_t rows) {
  const int64_t panel_bytes = packed_panel_bytes(kFormat, cols);
  const int64_t tile_count = packed_tiles(kFormat, cols), groups = wide_groups(cols);
  const auto unpack = [&](int64_t group, int p) {
    WideWeights& w = buffers.weights[group % 2];
    wide_unpack<kFormat, false>(panel + p * panel_bytes, tile_count, group, w.bytes[p], w.scale[p]);
  };
  std::fill_n(buffers.sums, rows * kPairWidth, 0.0f);
  for (int p = 0; p < kPanels; ++p) unpack(0, p);
  constexpr int64_t kPairRows = kPairBlocks * kWideRows;
  WaitingDots waiting;
  int turn = 0;
  for (int64_t group = 0; group < groups; ++group) {
    const WideWeights& w = buffers.weights[group % 2];
    int unpacked = group + 1 < groups ? 0 : kPanels;
    for (int64_t r = 0; r < rows; r += kPairRows) {
      const int64_t b = block + r / kWideRows;
      int32_t* dots = buffers.dots[turn];
      turn = 1 - turn;
      if (rows - r > kWideRows) {
        wide_tile_dots<2, kPanels>(tiles, x.block(group, b), w, dots);
      } else {
        wide_tile_dots<1, kPanels>(tiles, x.block(group, b), w, dots);
      }
      add_dots<kPanels>(waiting);
      waiting = {std::min(kPairRows, rows - r), dots, x.scale + x.row_at(group, b), &w,
                 buffers.sums + r * kPairWidth};
      if (unpacked < kPanels) unpack(group + 1, unpacked++);
    }
    while (unpacked < kPanels) unpack(group + 1, unpacked++);
  }
  add_dots<kPanels>(waiting);
}

template <Format kFormat, class Tiles>
HWY_NOINLINE void matmul_wide_tiles_as(const std::byte* w, int64_t out_rows, int64_t cols,
                                       int64_t begin, int64_t end, const WideRows& x, int64_t rows,
                                       float* y, int64_t y_stride) {
  Tiles tiles;
  WideTileBuffers buffers;
  const int64_t panel_bytes = packed_panel_bytes(kFormat, cols);
  // Rows outside: their activations stay in the second-level cache.
  for (int64_t first = 0; first < rows; first += kWideTileChunk) {
    const int64_t here = std::min(kWideTileChunk, rows - first);
    for (int64_t p = begin; p < end; p += kPairPanels) {
      const auto run = end - p >= kPairPanels ? wide_tile_panels<kFormat, 2, Tiles>
                                              : wide_tile_panels<kFormat, 1, Tiles>;
      run(tiles, buffers, w + p * panel_bytes, cols, x, first / kWideRows, here);
      copy_sums(buffers.sums, here, p, end, out_rows, y + first * y_stride, y_stride);
    }
  }
}

template <class Tiles>
void matmul_wide_tiles(Format format, const std::byte* w, int64_t out_rows, int64_t cols,
                       int64_t begin, int64_t end, const WideRows& x, int64_t rows, float* y,
                       int64_t y_stride) {
  const auto run = format == Format::kQ4_0   ? matmul_wide_tiles_as<Format::kQ4_0, Tiles>
                   : format == Format::kQ4_K ? matmul_wide_tiles_as<Format::kQ4_K, Tiles>
                                             : matmul_wide_tiles_as<Format::kQ5_K, Tiles>;
  run(w, out_rows, cols, begin, end, x, rows, y, y_stride);
}

}  // namespace HWY_NAMESPACE
}  // namespace octavo
OCTAVO_AFTER_TILES();
#endif  // HWY_TARGET == HWY_AVX3_DL

#endif  // include guard
