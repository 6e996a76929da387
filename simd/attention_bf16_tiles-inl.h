// attend_tile with AMX tiles over 2-byte caches: scores and weighted values, 32 rows by 32 columns
// at a time, of numbers that are each the sum of two bf16 parts. The product of the two low parts
// is left out: 2^-16 of a product at most. The softmax between is that of every target.
#if defined(OCTAVO_SIMD_ATTENTION_BF16_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_ATTENTION_BF16_TILES_INL_H_
#undef OCTAVO_SIMD_ATTENTION_BF16_TILES_INL_H_
#else
#define OCTAVO_SIMD_ATTENTION_BF16_TILES_INL_H_
#endif

#include "simd/attention_bf16_block-inl.h"
#include "simd/attention_tiles-inl.h"

#if HWY_TARGET == HWY_AVX3_DL
OCTAVO_BEFORE_TILES();
namespace octavo {
namespace HWY_NAMESPACE {

/// One side of a product, step by step of 32 columns: the tiles of two blocks of rows, or of two
/// panels.
struct TileSide {
  const uint16_t* high;  ///< the first tile of the high part
  int64_t low;           ///< from there to the low part
  int64_t other;         ///< to the second block or panel
  int64_t step;          ///< to the next step
  int64_t line;          ///< from line to line of a tile
};

/// Both blocks of rows, or both panels, to kTile and kTile + 1.
template <int kTile, int kCount, class Tiles>
HWY_INLINE void load_side(Tiles& tiles, const TileSide& side, const uint16_t* from) {
  tiles.template load<kTile>(from, 2 * side.line);
  if constexpr (kCount == 2) tiles.template load<kTile + 1>(from + side.other, 2 * side.line);
}

/// Adds a * b to the sums over steps [begin, end); b has a low part where kFormat needs one.
template <CacheFormat kFormat, int kBlocks, class Tiles>
HWY_INLINE void add_split_products(Tiles& tiles, const TileSide& a, const TileSide& b,
                                   int64_t begin, int64_t end) {
  const auto multiply = [&] {
    for_sum_tiles<kBlocks, kPairPanels>([&]<int kB, int kP>() {
      tiles.template dot_bf16<kSumTile<kB, kP>, kRowTile<kB>, kWeightTile<kP>>();
    });
  };
  for (int64_t s = begin; s < end; ++s) {
    const uint16_t* rows = a.high + s * a.step;
    const uint16_t* columns = b.high + s * b.step;
    load_side<kWeightTile<0>, kPairPanels>(tiles, b, columns);
    load_side<kRowTile<0>, kBlocks>(tiles, a, rows + a.low);
    multiply();
    load_side<kRowTile<0>, kBlocks>(tiles, a, rows);
    multiply();
    if constexpr (kFormat != CacheFormat::kBF16) {
      load_side<kWeightTile<0>, kPairPanels>(tiles, b, columns + b.low);
      multiply();
    }
  }
}

/// scores = queries * keys^T for kBlocks blocks of rows from row `first` on and the pairs of panels
/// that any of them sees.
template <CacheFormat kFormat, int kBlocks, class Tiles>
HWY_NOINLINE void score_blocks(Tiles& tiles, const TileState& s, const TileOperands& t,
                               KeyRange seen, int64_t first) {
  const int64_t row = 2 * t.width();
  const TileSide queries = {t.queries + first * row, t.width(), kTileRows * row, kBf16Cols, row};
  for (int64_t n = seen.begin / kPairWidth * kPairWidth; n < seen.end; n += kPairWidth) {
    const TileSide keys = {t.keys + n * t.width(), t.block_part(), kPanelRows * t.width(),
                           kBf16Tile, kBf16Line};
    zero_sums<kBlocks, kPairPanels>(tiles);
    add_split_products<kFormat, kBlocks>(tiles, queries, keys, 0, t.steps);
    store_sums<kBlocks, kPairPanels>(tiles, s.scores + first * kTileKeys + n, kTileKeys);
  }
}

/// sums *= shrink, for the rows whose largest score grew.
HWY_INLINE void shrink_sums(const TileState& s, int64_t first, int64_t end) {
  for (int64_t r = first; r < end; ++r) {
    if (s.shrink[r] == 1.0f) continue;
    const VF shrink = hn::Set(DF(), s.shrink[r]);
    float* sums = s.sums + r * s.width;
    for (int64_t k = 0; k < s.width; k += kLanes) {
      hn::StoreU(hn::Mul(shrink, hn::LoadU(DF(), sums + k)), DF(), sums + k);
    }
  }
}

/// sums = shrink * sums + weights * values for the same rows.
template <CacheFormat kFormat, int kBlocks, class Tiles>
HWY_NOINLINE void value_blocks(Tiles& tiles, const TileState& s, const TileOperands& t,
                               KeyRange seen, int64_t first) {
  if (seen.begin >= seen.end) return;
  shrink_sums(s, first, std::min(first + kBlocks * kBf16Rows, s.rows));
  constexpr int64_t kRow = 2 * kTileKeys;
  const TileSide weights = {t.weights + first * kRow, kTileKeys, kTileRows * kRow, kBf16Cols, kRow};
  for (int64_t k = 0; k < t.width(); k += kPairWidth) {
    const TileSide values = {t.values + k * kTileKeys, t.block_part(), kKeySteps * kBf16Tile,
                             kBf16Tile, kBf16Line};
    float* sums = s.sums + first * s.width + k;
    load_sums<kBlocks, kPairPanels>(tiles, sums, s.width);
    add_split_products<kFormat, kBlocks>(tiles, weights, values, seen.begin / kBf16Cols,
                                         bf16_steps(seen.end));
    store_sums<kBlocks, kPairPanels>(tiles, sums, s.width);
  }
}

/// Calls visit.template operator()<blocks>(seen, first) for all rows, two blocks at a time.
template <class Visit>
HWY_INLINE void for_block_pairs(const AttendTile& tile, const TileState& s, const Visit& visit) {
  for (int64_t first = 0; first < s.rows; first += kPairBlocks * kBf16Rows) {
    const int64_t rows = std::min<int64_t>(kPairBlocks * kBf16Rows, s.rows - first);
    const KeyRange seen = visible_keys(tile, s, first, rows);
    if (rows > kBf16Rows) {
      visit.template operator()<2>(seen, first);
    } else {
      visit.template operator()<1>(seen, first);
    }
  }
}

template <CacheFormat kFormat, class Tiles>
HWY_NOINLINE void attend_bf16_tile_as(const AttendTile& tile, float* scratch) {
  Tiles tiles;
  TileState s;
  const TileOperands t = split_tile_scratch(tile, scratch, s);
  split_queries(tile, s, t);
  start_rows(s);
  for_key_blocks(tile, s, [&] {
    pack_key_tiles<kFormat>(s, t);
    pack_value_tiles<kFormat>(s, t);
    for_block_pairs(tile, s, [&]<int kBlocks>(KeyRange seen, int64_t first) {
      score_blocks<kFormat, kBlocks>(tiles, s, t, seen, first);
    });
    weigh_tile(tile, s);
    split_weights(s);
    for_block_pairs(tile, s, [&]<int kBlocks>(KeyRange seen, int64_t first) {
      value_blocks<kFormat, kBlocks>(tiles, s, t, seen, first);
    });
  });
  finish_rows(tile, s);
}

/// Caches in f32 keep all their bits: the kernel of every target.
template <class Tiles>
void attend_bf16_tile(const AttendTile& tile, float* scratch) {
  if (is_few(tile)) return attend_few(tile, scratch);
  const auto run =
      tile.format == CacheFormat::kF32    ? attend_tile_as<CacheFormat::kF32>
      : tile.format == CacheFormat::kF16  ? attend_bf16_tile_as<CacheFormat::kF16, Tiles>
      : tile.format == CacheFormat::kBF16 ? attend_bf16_tile_as<CacheFormat::kBF16, Tiles>
                                          : attend_bf16_tile_as<CacheFormat::kQ8_0, Tiles>;
  run(tile, scratch);
}

}  // namespace HWY_NAMESPACE
}  // namespace octavo
OCTAVO_AFTER_TILES();
#endif  // HWY_TARGET == HWY_AVX3_DL

#endif  // include guard
