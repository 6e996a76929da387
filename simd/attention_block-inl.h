// A block of keys and values out of the cache, converted and packed once for all query rows of a
// tile.
#if defined(OCTAVO_SIMD_ATTENTION_BLOCK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_ATTENTION_BLOCK_INL_H_
#undef OCTAVO_SIMD_ATTENTION_BLOCK_INL_H_
#else
#define OCTAVO_SIMD_ATTENTION_BLOCK_INL_H_
#endif

#include "simd/attention-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

/// Sums held in registers by a product: kSumRows rows by kSumVectors vectors.
constexpr int kSumRows = kLanes == 16 || HWY_ARCH_ARM ? 8 : 4;
constexpr int kSumVectors = 2;
/// Columns of a packed strip; the last strip of a matrix may be one vector wide.
constexpr int64_t kStrip = kSumVectors * kLanes;
static_assert(kTileKeys % kStrip == 0 && kTilePadding % kStrip == 0);

/// Part of a block of keys: [begin, end), empty when begin >= end.
struct KeyRange {
  int64_t begin, end;
};

/// One block of keys and the parts of the scratch memory. Row r is head r % group of token r /
/// group.
struct TileState {
  int64_t rows, head_dim, width;  ///< width: head_dim in whole vectors
  float* queries;                 ///< [rows, head_dim], scaled
  float* keys;                    ///< strips [head_dim, kStrip] of kTileKeys columns
  float* values;                  ///< strips [kTileKeys, kStrip] of `width` columns
  float* scores;                  ///< [rows, kTileKeys], then the weights exp(score - largest)
  float* sums;                    ///< [rows, width], weighted values
  float* largest;                 ///< [rows], of the scores so far
  float* total;                   ///< [rows], of the weights so far
  float* shrink;                  ///< [rows], what `largest` growing makes of earlier weights
  bool packs_values;              ///< not worth it for a few rows
  int64_t first, count;           ///< the block: entries [first, first + count); some below 0
  const std::byte* key[kTileKeys];
  const std::byte* value[kTileKeys];
};

inline TileState split_scratch(const AttendTile& tile, float* scratch) {
  TileState s = {};
  s.rows = tile.tokens * tile.group;
  s.head_dim = tile.head_dim;
  s.width = (tile.head_dim + kLanes - 1) / kLanes * kLanes;
  const auto take = [&](int64_t count) {
    float* part = scratch;
    scratch += tile_padded(count);
    return part;
  };
  s.queries = take(s.rows * s.head_dim);
  s.keys = take(kTileKeys * s.head_dim);
  s.values = take(kTileKeys * s.width);
  s.scores = take(s.rows * kTileKeys);
  s.sums = take(s.rows * s.width);
  s.largest = take(s.rows);
  s.total = take(s.rows);
  s.shrink = take(s.rows);
  s.packs_values = s.rows > kSumRows || s.width != s.head_dim;
  return s;
}

/// Walks the runs a block at a time.
struct KvReader {
  std::span<const KvRun> runs;
  int64_t entry_bytes;
  size_t run = 0;
  int64_t at = 0;  ///< of the next entry within its run

  void next_block(TileState& s) {
    const int64_t before = std::max<int64_t>(0, -s.first);
    for (int64_t n = before; n < s.count; ++n, ++at) {
      for (; at == runs[run].count; at = 0) ++run;
      s.key[n] = runs[run].keys + at * entry_bytes;
      s.value[n] = runs[run].values + at * entry_bytes;
    }
    // Columns before the first entry repeat it: finite, and seen by no row.
    std::fill_n(s.key, before, s.key[before]);
    std::fill_n(s.value, before, s.value[before]);
  }
};

/// The keys of the block that rows [first, first + count) see, all of them together.
HWY_INLINE KeyRange visible_keys(const AttendTile& tile, const TileState& s, int64_t hidden,
                                 int64_t first, int64_t count) {
  // Token t sees entries up to hidden + t, `window` of them at most.
  const int64_t oldest = hidden + first / tile.group,
                newest = hidden + (first + count - 1) / tile.group;
  const int64_t begin = tile.window > 0 ? std::max<int64_t>(0, oldest - tile.window + 1) : 0;
  return {std::max<int64_t>(begin - s.first, 0), std::min(newest + 1 - s.first, s.count)};
}

/// The 4 x 4 parts of four rows, each transposed: part j of out[i] is column 4 j + i.
HWY_INLINE void transpose_parts(const VF* rows, VF* out) {
  const hn::RepartitionToWide<DF> d64;
  const VF low01 = hn::InterleaveLower(DF(), rows[0], rows[1]);
  const VF low23 = hn::InterleaveLower(DF(), rows[2], rows[3]);
  const VF high01 = hn::InterleaveUpper(DF(), rows[0], rows[1]);
  const VF high23 = hn::InterleaveUpper(DF(), rows[2], rows[3]);
  const auto pairs_low = [&](VF a, VF b) {
    return hn::BitCast(DF(), hn::InterleaveLower(d64, hn::BitCast(d64, a), hn::BitCast(d64, b)));
  };
  const auto pairs_high = [&](VF a, VF b) {
    return hn::BitCast(DF(), hn::InterleaveUpper(d64, hn::BitCast(d64, a), hn::BitCast(d64, b)));
  };
  out[0] = pairs_low(low01, low23);
  out[1] = pairs_high(low01, low23);
  out[2] = pairs_low(high01, high23);
  out[3] = pairs_high(high01, high23);
}

/// Each 128-bit part of v, `stride` floats after the one before.
template <class D>
HWY_INLINE void store_parts(D d, hn::Vec<D> v, float* out, int64_t stride) {
  if constexpr (hn::MaxLanes(D()) > 4) {
    const hn::Half<D> half;
    store_parts(half, hn::LowerHalf(half, v), out, stride);
    store_parts(half, hn::UpperHalf(half, v), out + hn::MaxLanes(half) / 4 * stride, stride);
  } else {
    hn::StoreU(v, d, out);
  }
}

/// The processor's own prefetching stops at each page and each change between keys and values.
HWY_INLINE void prefetch_entry(const std::byte* entry, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) hwy::Prefetch(entry + i);
}

/// Transposes the block's keys into strips: a dimension's line has kStrip keys. Fetches the block's
/// values and the next block's keys, which follow unless the run ends.
template <CacheFormat kFormat>
HWY_INLINE void pack_keys(const TileState& s) {
  const int64_t bytes = s.head_dim * kCachedBytes<kFormat>;
  for (int64_t n = 0; n < s.count; n += 4) {
    // Columns that do not exist repeat the last key: finite, and never looked at.
    const std::byte* key[4];
    for (int64_t j = 0; j < 4; ++j) {
      const int64_t column = std::min(n + j, s.count - 1);
      key[j] = s.key[column];
      prefetch_entry(s.value[column], bytes);
      prefetch_entry(s.key[column] + kTileKeys * bytes, bytes);
    }
    float* out = s.keys + n / kStrip * kStrip * s.head_dim + n % kStrip;
    int64_t k = 0;
    for (; k + kLanes <= s.head_dim; k += kLanes) {
      VF rows[4], columns[4];
      for (int j = 0; j < 4; ++j) {
        rows[j] = load_cached<kFormat>(key[j] + k * kCachedBytes<kFormat>);
      }
      transpose_parts(rows, columns);
      for (int i = 0; i < 4; ++i) {
        store_parts(DF(), columns[i], out + (k + i) * kStrip, 4 * kStrip);
      }
    }
    for (; k < s.head_dim; ++k) {
      for (int j = 0; j < 4; ++j) {
        out[k * kStrip + j] = load_cached_one<kFormat>(key[j] + k * kCachedBytes<kFormat>);
      }
    }
  }
}

/// Converts the block's values into strips: a key's line has kStrip dimensions, zeros after the
/// last.
template <CacheFormat kFormat>
HWY_INLINE void pack_values(const TileState& s) {
  for (int64_t first = 0; first < s.width; first += kStrip) {
    float* out = s.values + first * kTileKeys;
    const int64_t width = std::min(kStrip, s.width - first);
    for (int64_t n = 0; n < s.count; ++n) {
      for (int64_t i = 0; i < width; i += kLanes) {
        float* line = out + n * width + i;
        const std::byte* value = s.value[n] + (first + i) * kCachedBytes<kFormat>;
        if (first + i + kLanes <= s.head_dim) {
          hn::StoreU(load_cached<kFormat>(value), DF(), line);
        } else {
          hn::StoreU(hn::Zero(DF()), DF(), line);
          for (int64_t k = 0; first + i + k < s.head_dim; ++k) {
            line[k] = load_cached_one<kFormat>(value + k * kCachedBytes<kFormat>);
          }
        }
      }
    }
  }
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
