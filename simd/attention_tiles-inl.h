// A block of many query rows against the KV cache, a block of keys at a time: two small matrix
// products, scores and weighted values, over keys and values that were converted and packed once
// for all rows.
#if defined(OCTAVO_SIMD_ATTENTION_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_ATTENTION_TILES_INL_H_
#undef OCTAVO_SIMD_ATTENTION_TILES_INL_H_
#else
#define OCTAVO_SIMD_ATTENTION_TILES_INL_H_
#endif

#include "simd/attention_few-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

/// scores = queries * keys^T for each row's visible strips of keys.
HWY_NOINLINE void score_tile(const AttendTile& tile, const TileState& s) {
  for_row_blocks<kSumRows>(s.rows, [&]<int kRows>(int64_t first) {
    const KeyRange seen = visible_keys(tile, s, first, kRows);
    for (int64_t n = seen.begin / kStrip * kStrip; n < seen.end; n += kStrip) {
      const float* keys = s.keys + n * s.head_dim;
      score_strip<kRows>(s, first, n, [&](int64_t k, int v) {
        return hn::LoadU(DF(), keys + k * kStrip + v * kLanes);
      });
    }
  });
}

/// sums = shrink * sums + weights * values for each row's visible keys.
HWY_NOINLINE void value_tile(const AttendTile& tile, const TileState& s) {
  for_row_blocks<kSumRows>(s.rows, [&]<int kRows>(int64_t first) {
    const KeyRange seen = visible_keys(tile, s, first, kRows);
    if (seen.begin >= seen.end) return;
    for (int64_t column = 0; column < s.width; column += kStrip) {
      const float* values = s.values + column * kTileKeys + seen.begin * kStrip;
      add_values<kRows>(s, seen, first, column, [&](int64_t k, int v) {
        return hn::LoadU(DF(), values + k * kStrip + v * kLanes);
      });
    }
  });
}

template <CacheFormat kFormat>
HWY_NOINLINE void attend_tile_as(const AttendTile& tile, float* scratch) {
  TileState s = split_scratch(tile, scratch);
  scale_queries(tile, s);
  start_rows(s);
  for_key_blocks(tile, s, [&] {
    pack_keys<kFormat>(s);
    pack_values<kFormat>(s);
    score_tile(tile, s);
    weigh_tile(tile, s);
    value_tile(tile, s);
  });
  finish_rows(tile, s);
}

inline void attend_tile(const AttendTile& tile, float* scratch) {
  if (is_few(tile)) return attend_few(tile, scratch);
  const auto run = tile.format == CacheFormat::kF32    ? attend_tile_as<CacheFormat::kF32>
                   : tile.format == CacheFormat::kF16  ? attend_tile_as<CacheFormat::kF16>
                   : tile.format == CacheFormat::kBF16 ? attend_tile_as<CacheFormat::kBF16>
                                                       : attend_tile_as<CacheFormat::kQ8_0>;
  run(tile, scratch);
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
