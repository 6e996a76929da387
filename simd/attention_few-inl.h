// A few query rows against the KV cache: decode. Keys and values are used as they lie in the cache,
// each once for all rows, and what comes next is fetched meanwhile. The sums are those of
// attention_tiles-inl.h, number by number.
#if defined(OCTAVO_SIMD_ATTENTION_FEW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_ATTENTION_FEW_INL_H_
#undef OCTAVO_SIMD_ATTENTION_FEW_INL_H_
#else
#define OCTAVO_SIMD_ATTENTION_FEW_INL_H_
#endif

#include "simd/attention_few_q8-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

/// Fetches [from, from + bytes) past the second-level cache while as many bytes are used, a part of
/// kStep bytes at a time.
struct Fetcher {
  const std::byte* at;
  const std::byte* end;

  Fetcher(const std::byte* from, int64_t bytes)
      : at(from), end(from == nullptr ? from : from + bytes) {}
  template <int kStep>
  HWY_INLINE void step() {
    if (at >= end) return;
    for (int i = 0; i < kStep; i += 64) __builtin_prefetch(at + i, 0, 0);
    at += kStep;
  }
};

template <CacheFormat kFormat>
HWY_NOINLINE void score_few(const AttendTile& tile, const TileState& s) {
  constexpr int kStep = static_cast<int>(kStrip * kv_float_bytes(kFormat));
  Fetcher values(s.block.values, kv_values_bytes(kFormat, s.head_dim));
  for_row_blocks<kSumRows>(s.rows, [&]<int kRows>(int64_t first) {
    const KeyRange seen = visible_keys(tile, s, first, kRows);
    for (int64_t n = seen.begin / kStrip * kStrip; n < seen.end; n += kStrip) {
      score_strip<kRows>(s, first, n, [&](int64_t k, int v) {
        if (v == 0) values.step<kStep>();
        return load_keys<kFormat>(s.block.keys, s.head_dim, n + v * kLanes, k);
      });
    }
  });
}

template <CacheFormat kFormat>
HWY_NOINLINE void value_few(const AttendTile& tile, const TileState& s) {
  constexpr int kStep = static_cast<int>(kStrip * kv_float_bytes(kFormat));
  Fetcher keys(s.next.keys, kv_keys_bytes(kFormat, s.head_dim));
  for_row_blocks<kSumRows>(s.rows, [&]<int kRows>(int64_t first) {
    const KeyRange seen = visible_keys(tile, s, first, kRows);
    if (seen.begin >= seen.end) return;
    for (int64_t column = 0; column < s.width; column += kStrip) {
      add_values<kRows>(s, seen, first, column, [&](int64_t k, int v) {
        if (v == 0) keys.step<kStep>();
        return load_value<kFormat>(s.block.values, seen.begin + k, column + v * kLanes);
      });
    }
  });
}

template <CacheFormat kFormat>
HWY_NOINLINE void attend_few_as(const AttendTile& tile, float* scratch) {
  TileState s = split_scratch(tile, scratch);
  scale_queries(tile, s);
  start_rows(s);
  for_key_blocks(tile, s, [&] {
    score_few<kFormat>(tile, s);
    weigh_tile(tile, s);
    value_few<kFormat>(tile, s);
  });
  finish_rows(tile, s);
}

inline void attend_few(const AttendTile& tile, float* scratch) {
  const auto run = tile.format == CacheFormat::kF32    ? attend_few_as<CacheFormat::kF32>
                   : tile.format == CacheFormat::kF16  ? attend_few_as<CacheFormat::kF16>
                   : tile.format == CacheFormat::kBF16 ? attend_few_as<CacheFormat::kBF16>
                                                       : attend_few_q8;
  run(tile, scratch);
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
