// attend_tile for many rows over caches other than f32, in 16-bit integers: scores and weighted
// values are dots of pairs, at twice the rate of floats. Integers are summed over 32 dimensions or
// 32 keys, exactly; what is added up further are floats. The error is about a third of what
// rounding to f16 does to the cache.
#if defined(OCTAVO_SIMD_ATTENTION_PAIRS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_ATTENTION_PAIRS_INL_H_
#undef OCTAVO_SIMD_ATTENTION_PAIRS_INL_H_
#else
#define OCTAVO_SIMD_ATTENTION_PAIRS_INL_H_
#endif

#include <utility>

#include "simd/attention_pairs_weights-inl.h"
#include "simd/attention_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_HAS_PAIRS

/// acc + the two products of each lane.
HWY_INLINE VI dot_pairs(VI acc, VI a, VI b) {
#if HWY_TARGET == HWY_AVX3_DL
  asm("vpdpwssd %2, %1, %0" : "+v"(acc.raw) : "v"(a.raw), "v"(b.raw));
#else
  asm("%{vex%} vpdpwssd %2, %1, %0" : "+x"(acc.raw) : "x"(a.raw), "x"(b.raw));
#endif
  return acc;
}

/// Two consecutive numbers in every lane.
HWY_INLINE VI broadcast_pair(const int16_t* x) {
  int32_t pair;
  std::memcpy(&pair, x, 4);
  return hn::Set(DI(), pair);
}

/// Calls visit.template operator()<r, v>() for each of kRows * kSumVectors sums. Indices that are
/// constants from the start let gcc 12 keep the sums in registers alone.
template <int kRows, class Visit>
HWY_INLINE void for_sums(const Visit& visit) {
  [&]<int... i>(std::integer_sequence<int, i...>) {
    (visit.template operator()<i / kSumVectors, i % kSumVectors>(), ...);
  }
  (std::make_integer_sequence<int, kRows * kSumVectors>());
}

/// Calls use.template operator()<r, v>(sum) with the products of kSumPairs pairs: a [kRows,
/// a_stride]; lines [kSumPairs, kStrip, 2].
template <int kRows, class Use>
HWY_INLINE void pair_products(const int16_t* a, int64_t a_stride, const int16_t* lines,
                              const Use& use) {
  VI sum[kRows][kSumVectors];
  for_sums<kRows>([&]<int r, int v>() { sum[r][v] = hn::Zero(DI()); });
  for (int64_t p = 0; p < kSumPairs; ++p, lines += 2 * kStrip, a += 2) {
    VI line[kSumVectors];
    for (int v = 0; v < kSumVectors; ++v) {
      line[v] = hn::LoadU(DI(), reinterpret_cast<const int32_t*>(lines + 2 * v * kLanes));
    }
    for (int r = 0; r < kRows; ++r) {
      const VI x = broadcast_pair(a + r * a_stride);
      for (int v = 0; v < kSumVectors; ++v) sum[r][v] = dot_pairs(sum[r][v], line[v], x);
    }
  }
  for_sums<kRows>(
      [&]<int r, int v>() { use.template operator()<r, v>(hn::ConvertTo(DF(), sum[r][v])); });
}

/// Scores but for the rows' own scales, for each row's visible strips of keys.
HWY_NOINLINE void score_pairs(const AttendTile& tile, const TileState& s, const PairOperands& t) {
  for_row_blocks<kSumRows>(s.rows, [&]<int kRows>(int64_t first) {
    const KeyRange seen = visible_keys(tile, s, first, kRows);
    const int16_t* queries = t.queries + first * s.width;
    for (int64_t n = seen.begin / kStrip * kStrip; n < seen.end; n += kStrip) {
      float* scores = s.scores + first * kTileKeys + n;
      const int16_t* keys = t.keys + n * s.width;
      for (int64_t g = 0; g < t.groups; ++g) {
        VF scale[kSumVectors];
        for (int v = 0; v < kSumVectors; ++v) {
          scale[v] = hn::LoadU(DF(), t.key_scale + g * kTileKeys + n + v * kLanes);
        }
        const auto add = [&]<int r, int v>(VF sum) {
          float* to = scores + r * kTileKeys + v * kLanes;
          const VF before = g == 0 ? hn::Zero(DF()) : hn::LoadU(DF(), to);
          hn::StoreU(hn::MulAdd(sum, scale[v], before), DF(), to);
        };
        pair_products<kRows>(queries + g * kSumDims, s.width, keys + g * kSumDims * kStrip, add);
      }
    }
  });
}

/// sums += weights * values for each row's visible keys.
HWY_NOINLINE void value_pairs(const AttendTile& tile, const TileState& s, const PairOperands& t) {
  for_row_blocks<kSumRows>(s.rows, [&]<int kRows>(int64_t first) {
    const KeyRange seen = visible_keys(tile, s, first, kRows);
    if (seen.begin >= seen.end) return;
    const int16_t* weights = t.weights + first * 2 * kTileKeys;
    for (int64_t column = 0; column < s.width; column += kStrip) {
      float* out = s.sums + first * s.width + column;
      for (int64_t g = seen.begin / kSumKeys; g * kSumKeys < seen.end; ++g) {
        const auto add = [&]<int r, int v>(VF sum) {
          const VF factor = hn::Set(DF(), t.factor[g * t.rows_padded + first + r]);
          float* to = out + r * s.width + v * kLanes;
          hn::StoreU(hn::MulAdd(sum, factor, hn::LoadU(DF(), to)), DF(), to);
        };
        pair_products<kRows>(weights + g * kSumKeys, 2 * kTileKeys,
                             t.values + column * kTileKeys + g * kSumKeys * kStrip, add);
      }
    }
  });
}

/// sums *= shrink, for the rows whose largest score grew.
HWY_INLINE void shrink_rows(const TileState& s) {
  for (int64_t r = 0; r < s.rows; ++r) {
    if (s.shrink[r] == 1.0f) continue;
    const VF shrink = hn::Set(DF(), s.shrink[r]);
    float* sums = s.sums + r * s.width;
    for (int64_t k = 0; k < s.width; k += kLanes) {
      hn::StoreU(hn::Mul(shrink, hn::LoadU(DF(), sums + k)), DF(), sums + k);
    }
  }
}

/// Totals in one lane and natural logarithms, as finish_rows() takes them.
HWY_INLINE void finish_totals(const TileState& s, const PairOperands& t) {
  constexpr float kLn2 = 0.693147181f;
  for (int64_t r = 0; r < s.rows; ++r) {
    s.total[r] = hn::GetLane(hn::SumOfLanes(DF(), hn::LoadU(DF(), t.totals + r * kLanes)));
    s.largest[r] *= kLn2;
  }
}

template <CacheFormat kFormat>
HWY_NOINLINE void attend_pairs_as(const AttendTile& tile, float* scratch) {
  TileState s;
  const PairOperands t = split_pair_scratch(tile, scratch, s);
  constexpr float kLog2E = 1.44269504f;  // weights are powers of 2
  for (int64_t r = 0; r < s.rows; ++r) {
    const float* q = tile.q + r / tile.group * tile.q_stride + r % tile.group * tile.head_dim;
    pack_query_row(q, tile.scale * kLog2E, r, s, t);
  }
  start_rows(s);
  std::fill_n(t.totals, s.rows * kLanes, 0.0f);
  for_key_blocks(tile, s, [&] {
    pack_key_pairs<kFormat>(s, t);
    pack_value_pairs<kFormat>(s, t);
    score_pairs(tile, s, t);
    weigh_pairs(tile, s, t);
    shrink_rows(s);
    value_pairs(tile, s, t);
  });
  finish_totals(s, t);
  finish_rows(tile, s);
}

/// Few rows, and caches in f32, which keep all their bits, as on every target.
inline void attend_pairs(const AttendTile& tile, float* scratch) {
  if (is_few(tile)) return attend_few(tile, scratch);
  const auto run = tile.format == CacheFormat::kF32    ? attend_tile_as<CacheFormat::kF32>
                   : tile.format == CacheFormat::kF16  ? attend_pairs_as<CacheFormat::kF16>
                   : tile.format == CacheFormat::kBF16 ? attend_pairs_as<CacheFormat::kBF16>
                                                       : attend_pairs_as<CacheFormat::kQ8_0>;
  run(tile, scratch);
}

#endif  // OCTAVO_HAS_PAIRS
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
