// What attention with AMX tiles multiplies: numbers as the sum of two bf16 parts, in pairs of
// columns. The columns of a pair lie 16 apart (column j of a step of 32 with 16 + j), on both sides
// of a product, so that pairing takes no shuffle.
#if defined(OCTAVO_SIMD_ATTENTION_BF16_BLOCK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_ATTENTION_BF16_BLOCK_INL_H_
#undef OCTAVO_SIMD_ATTENTION_BF16_BLOCK_INL_H_
#else
#define OCTAVO_SIMD_ATTENTION_BF16_BLOCK_INL_H_
#endif

#include "simd/attention_block-inl.h"
#include "simd/hardware_tiles-inl.h"

#if HWY_TARGET == HWY_AVX3_DL
OCTAVO_BEFORE_TILES();
namespace octavo {
namespace HWY_NAMESPACE {

/// Numbers of a tile of bf16, and of its 16 lines each.
constexpr int64_t kBf16Tile = kTileBytes / 2, kBf16Line = kTileRowBytes / 2;
constexpr int64_t kKeyPanels = kTileKeys / kPanelRows, kKeySteps = kTileKeys / kBf16Cols;

/// The operands in the scratch. A row's two parts follow each other; of keys and values all high
/// parts come first.
struct TileOperands {
  int64_t steps;      ///< of 32 dimensions, the last filled up with zeros
  uint16_t* queries;  ///< [rows, 2 parts, steps, 32], scaled
  uint16_t* keys;     ///< [2 parts, kKeyPanels, steps, 16 pairs of dimensions, 16 keys, 2]
  uint16_t* values;   ///< [2 parts, 2 * steps, kKeySteps, 16 pairs of keys, 16 dimensions, 2]
  uint16_t* weights;  ///< [rows, 2 parts, kKeySteps, 32], where the scores were

  int64_t width() const { return steps * kBf16Cols; }
  /// From a high part to its low one.
  int64_t block_part() const { return kTileKeys * width(); }
};

/// The scratch's parts, with rows in whole blocks. What rows that do not exist hold is multiplied
/// but never looked at.
inline TileOperands split_tile_scratch(const AttendTile& tile, float* scratch, TileState& s) {
  s = {};
  s.rows = tile.tokens * tile.group;
  s.head_dim = tile.head_dim;
  s.width = bf16_steps(tile.head_dim) * kBf16Cols;
  const int64_t rows = bf16_blocks(s.rows) * kBf16Rows;
  const auto take = [&](int64_t count) {
    float* part = scratch;
    scratch += tile_padded(count);
    return part;
  };
  const auto take_parts = [&](int64_t count) { return reinterpret_cast<uint16_t*>(take(count)); };
  TileOperands t = {};
  t.steps = bf16_steps(tile.head_dim);
  t.queries = take_parts(rows * s.width);
  t.keys = take_parts(kTileKeys * s.width);
  t.values = take_parts(kTileKeys * s.width);
  s.scores = take(rows * kTileKeys);
  t.weights = reinterpret_cast<uint16_t*>(s.scores);
  s.sums = take(rows * s.width);
  s.largest = take(s.rows);
  s.total = take(s.rows);
  s.shrink = take(s.rows);
  return t;
}

/// One line of pairs of each part.
struct PairParts {
  VU high, low;
};

/// The upper halves of two vectors, a's in the lanes' lower halves.
HWY_INLINE VU join_pairs(VU a, VU b) {
  return hn::OrAnd(hn::ShiftRight<16>(a), b, hn::Set(DU(), 0xFFFF0000u));
}

/// Both parts to nearest, ties away from zero; of an f16 number the low part is all the rest.
template <bool kRoundsLow>
HWY_INLINE PairParts split_pairs(VF a, VF b) {
  const VU half = hn::Set(DU(), 0x8000u), upper = hn::Set(DU(), 0xFFFF0000u);
  const auto high = [&](VF x) { return hn::And(hn::Add(hn::BitCast(DU(), x), half), upper); };
  const auto low = [&](VF x, VU x_high) {
    const VU rest = hn::BitCast(DU(), hn::Sub(x, hn::BitCast(DF(), x_high)));
    return kRoundsLow ? hn::Add(rest, half) : rest;
  };
  const VU a_high = high(a), b_high = high(b);
  return {join_pairs(a_high, b_high), join_pairs(low(a, a_high), low(b, b_high))};
}

/// The same of the cache's numbers; bf16 ones have a high part only.
template <CacheFormat kFormat>
HWY_INLINE PairParts split_cached(VF a, VF b) {
  if constexpr (kFormat == CacheFormat::kBF16) {
    return {join_pairs(hn::BitCast(DU(), a), hn::BitCast(DU(), b)), hn::Zero(DU())};
  } else {
    // Of f16 the low part is whole; a q8_0 number has more bits than two parts.
    return split_pairs<kFormat == CacheFormat::kQ8_0>(a, b);
  }
}

HWY_INLINE void store_line(VU line, uint16_t* to) {
  hn::StoreU(line, DU(), reinterpret_cast<uint32_t*>(to));
}

/// Numbers [first, first + kLanes) of a row of `count`, zeros after the last.
HWY_INLINE VF load_row(const float* row, int64_t first, int64_t count) {
  if (first + kLanes <= count) return hn::LoadU(DF(), row + first);
  HWY_ALIGN float lanes[kLanes] = {};
  if (first < count) std::copy_n(row + first, count - first, lanes);
  return hn::Load(DF(), lanes);
}

/// Scales the queries and splits them.
HWY_NOINLINE void split_queries(const AttendTile& tile, const TileState& s, const TileOperands& t) {
  const VF scale = hn::Set(DF(), tile.scale);
  for (int64_t r = 0; r < s.rows; ++r) {
    const float* q = tile.q + r / tile.group * tile.q_stride + r % tile.group * tile.head_dim;
    const auto load = [&](int64_t k) { return hn::Mul(scale, load_row(q, k, s.head_dim)); };
    uint16_t* out = t.queries + r * 2 * t.width();
    for (int64_t k = 0; k < t.width(); k += kBf16Cols) {
      const PairParts parts = split_pairs<true>(load(k), load(k + kLanes));
      store_line(parts.high, out + k);
      store_line(parts.low, out + t.width() + k);
    }
  }
}

/// Each row's weights, split in their place.
HWY_NOINLINE void split_weights(const TileState& s) {
  for (int64_t r = 0; r < s.rows; ++r) {
    float* row = s.scores + r * kTileKeys;
    PairParts parts[kKeySteps];
    for (int64_t i = 0; i < kKeySteps; ++i) {
      const float* step = row + i * kBf16Cols;
      parts[i] = split_pairs<true>(hn::LoadU(DF(), step), hn::LoadU(DF(), step + kLanes));
    }
    auto* out = reinterpret_cast<uint16_t*>(row);
    for (int64_t i = 0; i < kKeySteps; ++i) {
      store_line(parts[i].high, out + i * kBf16Line);
      store_line(parts[i].low, out + kTileKeys + i * kBf16Line);
    }
  }
}

/// Both parts of a line of pairs, the low ones `low` numbers later; bf16 has none.
template <CacheFormat kFormat>
HWY_INLINE void store_cached(VF a, VF b, uint16_t* to, int64_t low) {
  const PairParts parts = split_cached<kFormat>(a, b);
  store_line(parts.high, to);
  if constexpr (kFormat != CacheFormat::kBF16) store_line(parts.low, to + low);
}

/// Fetches the block's values and the next block's keys as pack_keys() does.
template <CacheFormat kFormat>
HWY_NOINLINE void pack_key_tiles(const TileState& s, const TileOperands& t) {
  const auto load = [&](int64_t n, int64_t k) {
    return k < s.head_dim ? load_keys<kFormat>(s.block.keys, s.head_dim, n, k) : hn::Zero(DF());
  };
  uint16_t* out = t.keys;
  for (int64_t n = 0; n < kTileKeys; n += kPanelRows) {
    prefetch_quarter(s, kFormat, n / kPanelRows);
    for (int64_t k = 0; k < t.width(); k += kBf16Cols) {
      for (int64_t j = 0; j < kLanes; ++j, out += kBf16Line) {
        store_cached<kFormat>(load(n, k + j), load(n, k + kLanes + j), out, t.block_part());
      }
    }
  }
}

template <CacheFormat kFormat>
HWY_NOINLINE void pack_value_tiles(const TileState& s, const TileOperands& t) {
  uint16_t* out = t.values;
  for (int64_t k = 0; k < t.width(); k += kLanes) {
    for (int64_t n = 0; n < kTileKeys; n += kBf16Cols) {
      for (int64_t j = 0; j < kTileRows; ++j, out += kBf16Line) {
        store_cached<kFormat>(load_value<kFormat>(s.block.values, n + j, k),
                              load_value<kFormat>(s.block.values, n + kTileRows + j, k), out,
                              t.block_part());
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace octavo
OCTAVO_AFTER_TILES();
#endif  // HWY_TARGET == HWY_AVX3_DL

#endif  // include guard
