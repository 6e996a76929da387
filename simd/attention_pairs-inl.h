// attend_many: attend_tile over caches of at most 2 bytes in 16-bit integers, for many rows. Scores
// and weighted values are dots of pairs, at twice the rate of floats. Integers are summed over 32
// dimensions or 32 keys, exactly; their sums are floats. The error is a third to a half of what
// rounding to f16 does to the cache.
#if defined(OCTAVO_SIMD_ATTENTION_PAIRS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_ATTENTION_PAIRS_INL_H_
#undef OCTAVO_SIMD_ATTENTION_PAIRS_INL_H_
#else
#define OCTAVO_SIMD_ATTENTION_PAIRS_INL_H_
#endif

#include <cmath>

#include "simd/attention_pairs_block-inl.h"
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

/// sum[r, v] = the products of kSumPairs pairs: a [kRows, a_stride]; lines [kSumPairs, kStrip, 2].
template <int kRows>
HWY_INLINE void pair_products(const int16_t* a, int64_t a_stride, const int16_t* lines,
                              VI (&sum)[kRows][kSumVectors]) {
  for (auto& row : sum) std::fill_n(row, kSumVectors, hn::Zero(DI()));
  for (int64_t p = 0; p < kSumPairs; ++p) {
    VI line[kSumVectors];
    for (int v = 0; v < kSumVectors; ++v) {
      line[v] = hn::LoadU(DI(),
                          reinterpret_cast<const int32_t*>(lines + 2 * (p * kStrip + v * kLanes)));
    }
    for (int r = 0; r < kRows; ++r) {
      const VI x = broadcast_pair(a + r * a_stride + 2 * p);
      for (int v = 0; v < kSumVectors; ++v) sum[r][v] = dot_pairs(sum[r][v], line[v], x);
    }
  }
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
        VI sum[kRows][kSumVectors];
        pair_products<kRows>(queries + g * kSumDims, s.width, keys + g * kSumDims * kStrip, sum);
        for (int v = 0; v < kSumVectors; ++v) {
          const VF scale = hn::LoadU(DF(), t.key_scale + g * kTileKeys + n + v * kLanes);
          for (int r = 0; r < kRows; ++r) {
            float* to = scores + r * kTileKeys + v * kLanes;
            const VF before = g == 0 ? hn::Zero(DF()) : hn::LoadU(DF(), to);
            hn::StoreU(hn::MulAdd(hn::ConvertTo(DF(), sum[r][v]), scale, before), DF(), to);
          }
        }
      }
    }
  });
}

/// 2^x for x <= 0, and 0 below -126.
HWY_INLINE VF power_of_2(VF x) {
  // x = n + f with |f| <= 1 / 2; n arrives in the low bits of a float of 2^23 and more.
  const VF magic = hn::Set(DF(), 12582912.0f);
  const VF shifted = hn::Add(x, magic);
  const VF f = hn::Sub(x, hn::Sub(shifted, magic));
  VF y = hn::Set(DF(), 1.1125507e-3f);
  for (const float c : {9.6662825e-3f, 5.5574005e-2f, 2.4022351e-1f, 6.9314283e-1f, 1.0f}) {
    y = hn::MulAdd(y, f, hn::Set(DF(), c));
  }
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(DI(), shifted));
  const VF scaled = hn::BitCast(DF(), hn::Add(hn::BitCast(DI(), y), exponent));
  return hn::IfThenElseZero(hn::Ge(x, hn::Set(DF(), -126.0f)), scaled);
}

/// A token's rows: the scale of scores, what it does not see hidden, and the largest score.
HWY_INLINE void find_block_tops(const TileState& s, const PairOperands& t, KeyRange seen,
                                int64_t first, int64_t group) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  for (int64_t r = first; r < first + group; ++r) {
    float* scores = s.scores + r * kTileKeys;
    std::fill_n(scores, std::min(seen.begin, kTileKeys), kNone);
    std::fill(scores + std::max<int64_t>(seen.end, 0), scores + kTileKeys, kNone);
    VF most = hn::LoadU(DF(), scores);
    for (int64_t n = kLanes; n < kTileKeys; n += kLanes) {
      most = hn::Max(most, hn::LoadU(DF(), scores + n));
    }
    // Finite, so that a row which sees nothing never meets infinity minus infinity.
    t.top[r] = std::max(hn::GetLane(hn::MaxOfLanes(DF(), most)) * t.query_scale[r],
                        std::numeric_limits<float>::lowest());
  }
}

/// Brings `largest` up to date, and with it what earlier blocks and this one weigh.
HWY_INLINE void raise_largest(const TileState& s, const PairOperands& t) {
  for (int64_t r = 0; r < s.rows; r += kLanes) {  // the parts of the scratch are whole vectors
    const VF before = hn::LoadU(DF(), s.largest + r), top = hn::LoadU(DF(), t.top + r);
    const VF largest = hn::Max(before, top);
    hn::StoreU(power_of_2(hn::Sub(before, largest)), DF(), s.shrink + r);
    hn::StoreU(power_of_2(hn::Sub(top, largest)), DF(), t.lift + r);
    hn::StoreU(largest, DF(), s.largest + r);
  }
}

/// The largest value_scale that a row sees in each group of keys.
struct ValueTops {
  float of[kKeyGroups];
};
HWY_INLINE ValueTops value_tops(const PairOperands& t, KeyRange seen) {
  ValueTops tops = {};
  for (int64_t n = seen.begin; n < seen.end; ++n) {
    float& top = tops.of[n / kSumKeys];
    top = std::max(top, t.value_scale[n]);
  }
  return tops;
}

/// A row's scores to weights 2^(score - the block's largest), and these times their values' scales
/// to integers, with the unit for each group that kWeightSum and kWeightTop allow.
HWY_INLINE void weigh_row(const TileState& s, const PairOperands& t, const ValueTops& tops,
                          int64_t r) {
  constexpr int64_t kVecs = kSumKeys / kLanes;
  const hn::Rebind<int16_t, DI> di16;
  const float* scores = s.scores + r * kTileKeys;
  int16_t* out = t.weights + r * 2 * kTileKeys;
  const VF scale = hn::Set(DF(), t.query_scale[r]), top = hn::Set(DF(), t.top[r]);
  VF total = hn::Zero(DF());
  for (int64_t g = 0; g < kKeyGroups; ++g) {
    VF weight[kVecs];
    VF sum = hn::Zero(DF());
    for (int64_t i = 0; i < kVecs; ++i) {
      const int64_t n = g * kSumKeys + i * kLanes;
      const VF power = power_of_2(hn::MulSub(hn::LoadU(DF(), scores + n), scale, top));
      total = hn::Add(total, power);
      weight[i] = hn::Mul(power, hn::LoadU(DF(), t.value_scale + n));
      sum = hn::Add(sum, weight[i]);
    }
    const float all = hn::GetLane(hn::SumOfLanes(DF(), sum));
    const float unit =
        std::max({all * (1.0f / kWeightSum), tops.of[g] * (1.0f / kWeightTop), kSmallestTop});
    t.factor[r * kKeyGroups + g] = unit * t.lift[r];
    const VF inverse = hn::Set(DF(), 1.0f / unit);
    for (int64_t i = 0; i < kVecs; ++i) {
      const VI rounded = hn::NearestInt(hn::Mul(weight[i], inverse));
      hn::StoreU(hn::DemoteTo(di16, rounded), di16, out + g * kSumKeys + i * kLanes);
    }
  }
  float* totals = t.totals + r * kLanes;
  const VF before = hn::Mul(hn::LoadU(DF(), totals), hn::Set(DF(), s.shrink[r]));
  hn::StoreU(hn::MulAdd(total, hn::Set(DF(), t.lift[r]), before), DF(), totals);
}

HWY_NOINLINE void weigh_pairs(const AttendTile& tile, const TileState& s, const PairOperands& t) {
  const auto seen = [&](int64_t token) { return visible_keys(tile, s, token * tile.group, 1); };
  for (int64_t i = 0; i < tile.tokens; ++i) {
    find_block_tops(s, t, seen(i), i * tile.group, tile.group);
  }
  raise_largest(s, t);
  const ValueTops whole = value_tops(t, {0, kTileKeys});
  for (int64_t i = 0; i < tile.tokens; ++i) {
    const KeyRange range = seen(i);
    const bool all = range.begin == 0 && range.end == kTileKeys;
    const ValueTops tops = all ? whole : value_tops(t, range);
    for (int64_t g = 0; g < tile.group; ++g) weigh_row(s, t, tops, i * tile.group + g);
  }
}

/// sums = shrink * sums + weights * values for each row's visible keys.
HWY_NOINLINE void value_pairs(const AttendTile& tile, const TileState& s, const PairOperands& t) {
  for_row_blocks<kSumRows>(s.rows, [&]<int kRows>(int64_t first) {
    const KeyRange seen = visible_keys(tile, s, first, kRows);
    if (seen.begin >= seen.end) return;
    const int16_t* weights = t.weights + first * 2 * kTileKeys;
    for (int64_t column = 0; column < s.width; column += kStrip) {
      float* out = s.sums + first * s.width + column;
      const float* before = s.shrink + first;  // of the sums, for the first group
      for (int64_t g = seen.begin / kSumKeys; g * kSumKeys < seen.end; ++g) {
        VI sum[kRows][kSumVectors];
        pair_products<kRows>(weights + g * kSumKeys, 2 * kTileKeys,
                             t.values + (column + g * kStrip) * kTileKeys, sum);
        for (int r = 0; r < kRows; ++r) {
          const VF factor = hn::Set(DF(), t.factor[(first + r) * kKeyGroups + g]);
          const VF shrink = hn::Set(DF(), before != nullptr ? before[r] : 1.0f);
          for (int v = 0; v < kSumVectors; ++v) {
            float* to = out + r * s.width + v * kLanes;
            const VF kept = hn::Mul(shrink, hn::LoadU(DF(), to));
            hn::StoreU(hn::MulAdd(hn::ConvertTo(DF(), sum[r][v]), factor, kept), DF(), to);
          }
        }
        before = nullptr;
      }
    }
  });
}

/// Sums to means.
HWY_INLINE void finish_pairs(const AttendTile& tile, const TileState& s, const PairOperands& t) {
  for (int64_t r = 0; r < s.rows; ++r) {
    float* out = tile.out + r / tile.group * tile.out_stride + r % tile.group * tile.head_dim;
    const VF totals = hn::LoadU(DF(), t.totals + r * kLanes);
    const float factor = 1.0f / hn::GetLane(hn::SumOfLanes(DF(), totals));
    for (int64_t k = 0; k < s.head_dim; ++k) out[k] = s.sums[r * s.width + k] * factor;
  }
}

template <CacheFormat kFormat>
HWY_NOINLINE void attend_many_as(const AttendTile& tile, float* scratch) {
  TileState s;
  const PairOperands t = split_pair_scratch(tile, scratch, s);
  constexpr float kLog2E = 1.44269504f;  // weights are powers of 2
  for (int64_t r = 0; r < s.rows; ++r) {
    const float* q = tile.q + r / tile.group * tile.q_stride + r % tile.group * tile.head_dim;
    pack_query_row(q, tile.scale * kLog2E, r, s, t);
  }
  std::fill_n(s.largest, s.rows, std::numeric_limits<float>::lowest());
  std::fill_n(t.totals, s.rows * kLanes, 0.0f);
  std::fill_n(s.sums, s.rows * s.width, 0.0f);
  for_key_blocks(tile, s, [&] {
    pack_key_pairs<kFormat>(s, t);
    pack_value_pairs<kFormat>(s, t);
    score_pairs(tile, s, t);
    weigh_pairs(tile, s, t);
    value_pairs(tile, s, t);
  });
  finish_pairs(tile, s, t);
}

inline void attend_many(const AttendTile& tile, float* scratch) {
  const auto run = tile.format == CacheFormat::kF16    ? attend_many_as<CacheFormat::kF16>
                   : tile.format == CacheFormat::kBF16 ? attend_many_as<CacheFormat::kBF16>
                                                       : attend_many_as<CacheFormat::kQ8_0>;
  run(tile, scratch);
}

#endif  // OCTAVO_HAS_PAIRS
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
