// matmul_bf16 with AMX tiles: 32 rows by 32 outputs at a time, sums in the tiles.
#if defined(OCTAVO_SIMD_MATMUL_BF16_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_MATMUL_BF16_TILES_INL_H_
#undef OCTAVO_SIMD_MATMUL_BF16_TILES_INL_H_
#else
#define OCTAVO_SIMD_MATMUL_BF16_TILES_INL_H_
#endif

#include "simd/bf16_unpack-inl.h"
#include "simd/hardware_tiles-inl.h"

#if HWY_TARGET == HWY_AVX3_DL
OCTAVO_BEFORE_TILES();
namespace octavo {
namespace HWY_NAMESPACE {

static_assert(kTileRows == kBf16Rows && kTileRowBytes == 2 * kBf16Cols);

/// Rows that share one unpacking: sums and two lots of weights stay in the first-level cache.
constexpr int64_t kBf16Chunk = 128;

/// What one call keeps beside the tiles. The next lot of weights is unpacked while the tiles work
/// on this one.
struct Bf16TileBuffers {
  HWY_ALIGN float sums[kBf16Chunk * kPairWidth];  // [rows][outputs]
  HWY_ALIGN std::byte weights[2][kPairPanels][kBf16Lot * kTileBytes];
};

/// sums += the products of kBlocks blocks of activations from `block` on and `steps` steps of
/// weights [panel], from step `first` on.
template <int kBlocks, int kPanels, int kParts, class Tiles>
HWY_NOINLINE void bf16_tile_dots(Tiles& tiles, const Bf16Rows& x, int64_t block, int64_t first,
                                 int64_t steps, const std::byte* const (&w)[kPairPanels],
                                 float* sums) {
  if (first == 0) {
    zero_sums<kBlocks, kPanels>(tiles);
  } else {
    load_sums<kBlocks, kPanels>(tiles, sums);
  }
  for (int64_t s = 0; s < steps; ++s) {
    tiles.template load<kWeightTile<0>>(w[0] + s * kTileBytes, kTileRowBytes);
    if constexpr (kPanels == 2) {
      tiles.template load<kWeightTile<1>>(w[1] + s * kTileBytes, kTileRowBytes);
    }
    for (int part = 0; part < kParts; ++part) {
      const uint16_t* from = (part == 0 ? x.high : x.low) + x.tile_at(first + s, block);
      tiles.template load<kRowTile<0>>(from, kTileRowBytes);
      if constexpr (kBlocks == 2) {
        tiles.template load<kRowTile<1>>(from + kBf16Rows * kBf16Cols, kTileRowBytes);
      }
      for_sum_tiles<kBlocks, kPanels>([&]<int kB, int kP>() {
        tiles.template dot_bf16<kSumTile<kB, kP>, kRowTile<kB>, kWeightTile<kP>>();
      });
    }
  }
  store_sums<kBlocks, kPanels>(tiles, sums);
}

/// kPanels panels from `panel` on, for up to kBf16Chunk rows from block `block` on.
template <Format kFormat, int kPanels, int kParts, class Tiles>
HWY_NOINLINE void bf16_tile_panels(Tiles& tiles, Bf16TileBuffers& buffers, const std::byte* panel,
                                   int64_t cols, const Bf16Rows& x, int64_t block, int64_t rows) {
  const int64_t panel_bytes = packed_panel_bytes(kFormat, cols), steps = bf16_steps(cols);
  const auto steps_from = [&](int64_t first) { return std::min<int64_t>(kBf16Lot, steps - first); };
  const auto prepare = [&](int64_t first, int p) {
    const std::byte* from = panel + p * panel_bytes;
    if constexpr (kFormat != Format::kBF16) {
      std::byte* out = buffers.weights[first / kBf16Lot % 2][p];
      unpack_bf16<kFormat>(from, first, steps_from(first), out);
    } else {
      const std::byte* lines = from + first * kTileBytes;
      for (int64_t at = 0; at < steps_from(first) * kTileBytes; at += 64) {
        hwy::Prefetch(lines + at);
      }
    }
  };
  for (int p = 0; p < kPanels; ++p) prepare(0, p);
  for (int64_t first = 0; first < steps; first += kBf16Lot) {
    const std::byte* w[kPairPanels] = {};
    for (int p = 0; p < kPanels; ++p) {
      w[p] = kFormat != Format::kBF16 ? buffers.weights[first / kBf16Lot % 2][p]
                                      : panel + p * panel_bytes + first * kTileBytes;
    }
    const int64_t next = first + kBf16Lot;
    int prepared = next < steps ? 0 : kPanels;
    for (int64_t r = 0; r < rows; r += kPairBlocks * kBf16Rows) {
      const auto run = rows - r > kBf16Rows ? bf16_tile_dots<2, kPanels, kParts, Tiles>
                                            : bf16_tile_dots<1, kPanels, kParts, Tiles>;
      run(tiles, x, block + r / kBf16Rows, first, steps_from(first), w,
          buffers.sums + r * kPairWidth);
      if (prepared < kPanels) prepare(next, prepared++);
    }
    while (prepared < kPanels) prepare(next, prepared++);
  }
}

template <Format kFormat, int kParts, class Tiles>
HWY_NOINLINE void matmul_bf16_as(const std::byte* w, int64_t out_rows, int64_t cols, int64_t begin,
                                 int64_t end, const Bf16Rows& x, int64_t rows, float* y,
                                 int64_t y_stride) {
  Tiles tiles;
  Bf16TileBuffers buffers;
  const int64_t panel_bytes = packed_panel_bytes(kFormat, cols);
  for (int64_t first = 0; first < rows; first += kBf16Chunk) {
    const int64_t here = std::min(kBf16Chunk, rows - first);
    for (int64_t p = begin; p < end; p += kPairPanels) {
      const auto run = end - p >= kPairPanels ? bf16_tile_panels<kFormat, 2, kParts, Tiles>
                                              : bf16_tile_panels<kFormat, 1, kParts, Tiles>;
      run(tiles, buffers, w + p * panel_bytes, cols, x, first / kBf16Rows, here);
      copy_sums(buffers.sums, here, p, end, out_rows, y + first * y_stride, y_stride);
    }
  }
}

template <class Tiles>
void matmul_bf16(Format format, const std::byte* w, int64_t out_rows, int64_t cols, int64_t begin,
                 int64_t end, const Bf16Rows& x, int64_t rows, float* y, int64_t y_stride) {
  const auto with_parts = [&]<int kParts>() {
    return format == Format::kQ8_0   ? matmul_bf16_as<Format::kQ8_0, kParts, Tiles>
           : format == Format::kQ6_K ? matmul_bf16_as<Format::kQ6_K, kParts, Tiles>
                                     : matmul_bf16_as<Format::kBF16, kParts, Tiles>;
  };
  const auto run =
      x.low != nullptr ? with_parts.template operator()<2>() : with_parts.template operator()<1>();
  run(w, out_rows, cols, begin, end, x, rows, y, y_stride);
}

/// As f32_to_bf16, in the lanes' upper halves; the lower ones are zeros.
HWY_INLINE VU bf16_bits(VF value) {
  const VU bits = hn::BitCast(DU(), value);
  const VU odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(DU(), 1));
  const VU rounded = hn::Add(bits, hn::Add(odd, hn::Set(DU(), 0x7FFF)));
  const VU quiet = hn::Or(bits, hn::Set(DU(), 0x00400000));
  const VU both = hn::IfThenElse(hn::RebindMask(DU(), hn::IsNaN(value)), quiet, rounded);
  return hn::And(both, hn::Set(DU(), 0xFFFF0000u));
}

/// 16 columns of one row.
HWY_INLINE void split_bf16_lanes(VF value, uint16_t* high, uint16_t* low) {
  const hn::Rebind<uint16_t, DU> du16;
  const VU upper = bf16_bits(value);
  hn::StoreU(hn::TruncateTo(du16, hn::ShiftRight<16>(upper)), du16, high);
  if (low == nullptr) return;
  const VU rest = bf16_bits(hn::Sub(value, hn::BitCast(DF(), upper)));
  hn::StoreU(hn::TruncateTo(du16, hn::ShiftRight<16>(rest)), du16, low);
}

inline void split_bf16(const float* x, int64_t cols, int64_t row, const Bf16Rows& out) {
  for (int64_t k = 0; k < bf16_steps(cols) * kBf16Cols; k += kLanes) {
    const int64_t at = out.row_at(k / kBf16Cols, row) + k % kBf16Cols;
    const int64_t here = std::clamp<int64_t>(cols - k, 0, kLanes);
    const VF value = here == kLanes
                         ? hn::LoadU(DF(), x + k)
                         : hn::MaskedLoad(hn::FirstN(DF(), static_cast<size_t>(here)), DF(), x + k);
    split_bf16_lanes(value, out.high + at, out.low == nullptr ? nullptr : out.low + at);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace octavo
OCTAVO_AFTER_TILES();
#endif  // HWY_TARGET == HWY_AVX3_DL

#endif  // include guard
