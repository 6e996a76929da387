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
    return split_pairs<false>(a, b);
  }
}

HWY_INLINE void store_line(VU line, uint16_t* to) {
  hn::StoreU(line, DU(), reinterpret_cast<uint32_t*>(to));
}

/// Numbers [first, first + kLanes) of an entry of `count`, zeros after the last.
template <CacheFormat kFormat>
HWY_INLINE VF load_entry(const std::byte* entry, int64_t first, int64_t count) {
  const std::byte* from = entry + first * kCachedBytes<kFormat>;
  if (first + kLanes <= count) return load_cached<kFormat>(from);
  HWY_ALIGN std::byte lanes[kLanes * kCachedBytes<kFormat>] = {};
  if (first < count) {
    std::memcpy(lanes, from, static_cast<size_t>((count - first) * kCachedBytes<kFormat>));
  }
  return load_cached<kFormat>(lanes);
}

/// Scales the queries and splits them.
HWY_NOINLINE void split_queries(const AttendTile& tile, const TileState& s, const TileOperands& t) {
  const VF scale = hn::Set(DF(), tile.scale);
  for (int64_t r = 0; r < s.rows; ++r) {
    const float* q = tile.q + r / tile.group * tile.q_stride + r % tile.group * tile.head_dim;
    const auto* entry = reinterpret_cast<const std::byte*>(q);
    const auto load = [&](int64_t k) {
      return hn::Mul(scale, load_entry<CacheFormat::kF32>(entry, k, s.head_dim));
    };
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

/// 16 rows of 16 pairs to a tile: line i has pair i of every row.
HWY_INLINE void store_transposed(const VU (&rows)[kTileRows], uint16_t* tile) {
  constexpr int kEven = 0x88, kOdd = 0xDD;  // of the 128-bit parts
  VF parts[4][4];                           // [4 rows][i]: part j is pair 4 j + i
  for (int g = 0; g < 4; ++g) {
    VF four[4];
    for (int j = 0; j < 4; ++j) four[j] = hn::BitCast(DF(), rows[4 * g + j]);
    transpose_parts(four, parts[g]);
  }
  for (int i = 0; i < 4; ++i) {
    const auto a = parts[0][i].raw, b = parts[1][i].raw, c = parts[2][i].raw, d = parts[3][i].raw;
    const auto even_ab = _mm512_shuffle_f32x4(a, b, kEven),
               odd_ab = _mm512_shuffle_f32x4(a, b, kOdd);
    const auto even_cd = _mm512_shuffle_f32x4(c, d, kEven),
               odd_cd = _mm512_shuffle_f32x4(c, d, kOdd);
    const VF lines[4] = {VF{_mm512_shuffle_f32x4(even_ab, even_cd, kEven)},
                         VF{_mm512_shuffle_f32x4(odd_ab, odd_cd, kEven)},
                         VF{_mm512_shuffle_f32x4(even_ab, even_cd, kOdd)},
                         VF{_mm512_shuffle_f32x4(odd_ab, odd_cd, kOdd)}};
    for (int j = 0; j < 4; ++j) {
      store_line(hn::BitCast(DU(), lines[j]), tile + (4 * j + i) * kBf16Line);
    }
  }
}

/// Fetches the block's values and the next block's keys as pack_keys() does. Keys of the last panel
/// that do not exist repeat the last one; panels without keys stay as they are.
template <CacheFormat kFormat>
HWY_NOINLINE void pack_key_tiles(const TileState& s, const TileOperands& t) {
  const int64_t bytes = s.head_dim * kCachedBytes<kFormat>;
  for (int64_t n = 0; n < s.count; n += kPanelRows) {
    const std::byte* key[kPanelRows];
    for (int64_t j = 0; j < kPanelRows; ++j) {
      const int64_t column = std::min(n + j, s.count - 1);
      key[j] = s.key[column];
      prefetch_entry(s.value[column], bytes);
      prefetch_entry(s.key[column] + kTileKeys * bytes, bytes);
    }
    uint16_t* out = t.keys + n * t.width();
    for (int64_t k = 0; k < t.width(); k += kBf16Cols, out += kBf16Tile) {
      VU high[kTileRows], low[kTileRows];
      for (int j = 0; j < kTileRows; ++j) {
        const PairParts parts =
            split_cached<kFormat>(load_entry<kFormat>(key[j], k, s.head_dim),
                                  load_entry<kFormat>(key[j], k + kLanes, s.head_dim));
        high[j] = parts.high;
        low[j] = parts.low;
      }
      store_transposed(high, out);
      if constexpr (kFormat == CacheFormat::kF16) store_transposed(low, out + t.block_part());
    }
  }
}

/// Values of a step that do not exist repeat the last one: finite, and they weigh nothing.
template <CacheFormat kFormat>
HWY_NOINLINE void pack_value_tiles(const TileState& s, const TileOperands& t) {
  for (int64_t first = 0; first < s.count; first += kBf16Cols) {
    for (int64_t j = 0; j < kTileRows; ++j) {
      const std::byte* a = s.value[std::min(first + j, s.count - 1)];
      const std::byte* b = s.value[std::min(first + kTileRows + j, s.count - 1)];
      uint16_t* out = t.values + first / kBf16Cols * kBf16Tile + j * kBf16Line;
      for (int64_t k = 0; k < t.width(); k += kLanes, out += kKeySteps * kBf16Tile) {
        const PairParts parts = split_cached<kFormat>(load_entry<kFormat>(a, k, s.head_dim),
                                                      load_entry<kFormat>(b, k, s.head_dim));
        store_line(parts.high, out);
        if constexpr (kFormat == CacheFormat::kF16) store_line(parts.low, out + t.block_part());
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace octavo
OCTAVO_AFTER_TILES();
#endif  // HWY_TARGET == HWY_AVX3_DL

#endif  // include guard
