// A block of keys and values out of the cache, converted and packed once for all query rows of a
// tile.
#if defined(OCTAVO_SIMD_ATTENTION_BLOCK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_ATTENTION_BLOCK_INL_H_
#undef OCTAVO_SIMD_ATTENTION_BLOCK_INL_H_
#else
#define OCTAVO_SIMD_ATTENTION_BLOCK_INL_H_
#endif

#include "quant/float16.h"
#include "quant/tile.h"
#include "simd/common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

constexpr int64_t kQ8TileBytes = tile::kBlockQuants + 64 * kPanelRows;

/// kLanes cached floats as f32.
template <CacheFormat kFormat>
HWY_INLINE VF load_cached(const std::byte* data) {
  if constexpr (kFormat == CacheFormat::kF32) {
    return hn::LoadU(DF(), reinterpret_cast<const float*>(data));
  } else if constexpr (kFormat == CacheFormat::kF16) {
    return load_f16(data);
  } else {
    const hn::Rebind<uint16_t, DU> du16;
    const auto bits = hn::LoadU(du16, reinterpret_cast<const uint16_t*>(data));
    return hn::BitCast(DF(), hn::ShiftLeft<16>(hn::PromoteTo(DU(), bits)));
  }
}

/// Byte `i` (0..3) of each lane, as it is and as a signed one.
HWY_INLINE VI unsigned_byte(VI lanes, int64_t i) {
  return hn::And(hn::ShiftRightSame(lanes, static_cast<int>(8 * i)), hn::Set(DI(), 255));
}
HWY_INLINE VI signed_byte(VI lanes, int64_t i) {
  return hn::ShiftRight<24>(hn::ShiftLeftSame(lanes, static_cast<int>(24 - 8 * i)));
}
HWY_INLINE VI load_bytes(const std::byte* data) {
  return hn::LoadU(DI(), reinterpret_cast<const int32_t*>(data));
}

/// Dimension k of the keys of positions [slot, slot + kLanes) of a block.
template <CacheFormat kFormat>
HWY_INLINE VF load_keys(const std::byte* keys, int64_t head_dim, int64_t slot, int64_t k) {
  const int64_t panel = slot / kPanelRows, row = slot % kPanelRows;
  if constexpr (kFormat == CacheFormat::kQ8_0) {
    const int64_t tiles = (head_dim + 63) / 64;
    const std::byte* tile = keys + (panel * tiles + k / 64) * kQ8TileBytes;
    const VF scale = load_f16(tile + tile::scale_at(static_cast<int>(row), k % 64 / 32));
    const VI lanes =
        load_bytes(tile + tile::kBlockQuants +
                   tile::line_at(static_cast<int>(row), static_cast<int>(k % 64 / 4 * 4)));
    const VI quants = hn::Sub(unsigned_byte(lanes, k % 4), hn::Set(DI(), tile::kQ8Offset));
    return hn::Mul(scale, hn::ConvertTo(DF(), quants));
  } else {
    return load_cached<kFormat>(keys + ((panel * head_dim + k) * kPanelRows + row) *
                                           kv_float_bytes(kFormat));
  }
}

/// Dimensions [k, k + kLanes) of the value of a block's position; zeros after the last.
template <CacheFormat kFormat>
HWY_INLINE VF load_value(const std::byte* values, int64_t slot, int64_t k) {
  const int64_t strip = k / kValueStrip, i = k % kValueStrip;
  if constexpr (kFormat == CacheFormat::kQ8_0) {
    const std::byte* from = values + strip * kQ8StripBytes;
    uint16_t scale;
    std::memcpy(&scale, from + 2 * slot, 2);
    const VI lanes = load_bytes(from + q8_value_at(slot % 16, i));
    return hn::Mul(hn::Set(DF(), f16_to_f32(scale)),
                   hn::ConvertTo(DF(), signed_byte(lanes, slot / 16)));
  } else {
    return load_cached<kFormat>(values + ((strip * kTileKeys + slot) * kValueStrip + i) *
                                             kv_float_bytes(kFormat));
  }
}

/// Sums held in registers by a product: kSumRows rows by kSumVectors vectors.
constexpr int kSumRows = kLanes == 16 || HWY_ARCH_ARM ? 8 : 4;
constexpr int kSumVectors = 2;
/// Columns of a packed strip.
constexpr int64_t kStrip = kSumVectors * kLanes;
static_assert(kTileKeys % kStrip == 0 && kValueStrip % kStrip == 0);

/// Part of a block of keys: [begin, end), empty when begin >= end.
struct KeyRange {
  int64_t begin, end;
};

/// One block of keys and the parts of the scratch memory. Row r is head r % group of token r /
/// group.
struct TileState {
  int64_t rows, head_dim, width;  ///< width: head_dim in whole strips of the cache
  float* queries;                 ///< [rows, head_dim], scaled
  float* keys;                    ///< strips [head_dim, kStrip] of kTileKeys columns
  float* values;                  ///< strips [kTileKeys, kStrip] of `width` columns
  float* scores;                  ///< [rows, kTileKeys], then the weights exp(score - largest)
  float* sums;                    ///< [rows, width], weighted values
  float* largest;                 ///< [rows], of the scores so far
  float* total;                   ///< [rows], of the weights so far
  float* shrink;                  ///< [rows], what `largest` growing makes of earlier weights
  int64_t first;                  ///< position of the block
  KvBlock block, next;            ///< next: may be null
};

inline TileState split_scratch(const AttendTile& tile, float* scratch) {
  TileState s = {};
  s.rows = tile.tokens * tile.group;
  s.head_dim = tile.head_dim;
  s.width = kv_value_strips(tile.head_dim) * kValueStrip;
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
  return s;
}

/// The keys of the block that rows [first, first + count) see, all of them together.
HWY_INLINE KeyRange visible_keys(const AttendTile& tile, const TileState& s, int64_t first,
                                 int64_t count) {
  const int64_t oldest = tile.position + first / tile.group,
                newest = tile.position + (first + count - 1) / tile.group;
  const int64_t begin = tile.window > 0 ? std::max<int64_t>(0, oldest - tile.window + 1) : 0;
  return {std::max<int64_t>(begin - s.first, 0), std::min(newest + 1 - s.first, kTileKeys)};
}

/// The processor's own prefetching stops at each page and each change between keys and values.
HWY_INLINE void prefetch_bytes(const std::byte* from, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) hwy::Prefetch(from + i);
}

/// A quarter of the block's values and of the next block's keys.
HWY_INLINE void prefetch_quarter(const TileState& s, CacheFormat format, int64_t quarter) {
  const int64_t keys = kv_keys_bytes(format, s.head_dim) / 4,
                values = kv_values_bytes(format, s.head_dim) / 4;
  prefetch_bytes(s.block.values + quarter * values, values);
  if (s.next.keys != nullptr) prefetch_bytes(s.next.keys + quarter * keys, keys);
}

/// The block's keys as strips: a dimension's line has kStrip keys. Fetches the block's values and
/// the next block's keys.
template <CacheFormat kFormat>
HWY_INLINE void pack_keys(const TileState& s) {
  for (int64_t n = 0; n < kTileKeys; n += kLanes) {
    if (n % kPanelRows == 0) prefetch_quarter(s, kFormat, n / kPanelRows);
    float* out = s.keys + n / kStrip * kStrip * s.head_dim + n % kStrip;
    for (int64_t k = 0; k < s.head_dim; ++k) {
      hn::StoreU(load_keys<kFormat>(s.block.keys, s.head_dim, n, k), DF(), out + k * kStrip);
    }
  }
}

/// The block's values as strips: a key's line has kStrip dimensions.
template <CacheFormat kFormat>
HWY_INLINE void pack_values(const TileState& s) {
  float* out = s.values;
  for (int64_t first = 0; first < s.width; first += kStrip) {
    for (int64_t n = 0; n < kTileKeys; ++n) {
      for (int64_t i = 0; i < kStrip; i += kLanes, out += kLanes) {
        hn::StoreU(load_value<kFormat>(s.block.values, n, first + i), DF(), out);
      }
    }
  }
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
