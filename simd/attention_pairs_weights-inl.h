// The softmax between the two products of attend_pairs: scores to weights, and these to integers.
#if defined(OCTAVO_SIMD_ATTENTION_PAIRS_WEIGHTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_ATTENTION_PAIRS_WEIGHTS_INL_H_
#undef OCTAVO_SIMD_ATTENTION_PAIRS_WEIGHTS_INL_H_
#else
#define OCTAVO_SIMD_ATTENTION_PAIRS_WEIGHTS_INL_H_
#endif

#include <limits>

#include "simd/attention_pairs_block-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_HAS_PAIRS

/// 2^x for x <= 0, and 0 below -126.
HWY_INLINE VF power_of_2(VF x) {
#if HWY_TARGET == HWY_AVX3_DL
  x = hn::Max(x, hn::Set(DF(), -1000.0f));
  const VF n = hn::Round(x), f = hn::Sub(x, n);
#else
  // x = n + f with |f| <= 1 / 2; n arrives in the low bits of a float of 2^23 and more.
  const VF magic = hn::Set(DF(), 12582912.0f);
  const VF shifted = hn::Add(x, magic);
  const VF f = hn::Sub(x, hn::Sub(shifted, magic));
#endif
  VF y = hn::Set(DF(), 1.1125507e-3f);
  for (const float c : {9.6662825e-3f, 5.5574005e-2f, 2.4022351e-1f, 6.9314283e-1f, 1.0f}) {
    y = hn::MulAdd(y, f, hn::Set(DF(), c));
  }
#if HWY_TARGET == HWY_AVX3_DL
  return VF{_mm512_scalef_ps(y.raw, n.raw)};
#else
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(DI(), shifted));
  const VF scaled = hn::BitCast(DF(), hn::Add(hn::BitCast(DI(), y), exponent));
  return hn::IfThenElseZero(hn::Ge(x, hn::Set(DF(), -126.0f)), scaled);
#endif
}

struct AddLanes {
  HWY_INLINE VF operator()(VF a, VF b) const { return hn::Add(a, b); }
};
struct MaxLanes {
  HWY_INLINE VF operator()(VF a, VF b) const { return hn::Max(a, b); }
};

/// Lane i: all lanes of rows[i] together, in the same order for each row.
template <class Operation>
HWY_INLINE VF reduce_rows(const VF (&rows)[kLanes], Operation op) {
  const hn::RepartitionToWide<DF> d64;
  VF four[kLanes / 4];  // a row's lane of each 128-bit part, rows 4 i .. 4 i + 3
  for (int i = 0; i < kLanes / 4; ++i) {
    const VF *a = rows + 4 * i,
             ab = op(hn::InterleaveLower(DF(), a[0], a[1]), hn::InterleaveUpper(DF(), a[0], a[1])),
             cd = op(hn::InterleaveLower(DF(), a[2], a[3]), hn::InterleaveUpper(DF(), a[2], a[3]));
    const auto low = hn::InterleaveLower(d64, hn::BitCast(d64, ab), hn::BitCast(d64, cd));
    const auto high = hn::InterleaveUpper(d64, hn::BitCast(d64, ab), hn::BitCast(d64, cd));
    four[i] = op(hn::BitCast(DF(), low), hn::BitCast(DF(), high));
  }
  const auto halves = [&](VF a, VF b) {
    return op(hn::ConcatLowerLower(DF(), b, a), hn::ConcatUpperUpper(DF(), b, a));
  };
#if HWY_TARGET == HWY_AVX3_DL
  const auto a = halves(four[0], four[1]).raw, b = halves(four[2], four[3]).raw;
  return op(VF{_mm512_shuffle_f32x4(a, b, 0x88)}, VF{_mm512_shuffle_f32x4(a, b, 0xDD)});
#else
  return halves(four[0], four[1]);
#endif
}

/// Of the values that rows [first, first + count) see: the largest scale in each group of keys.
HWY_INLINE void find_value_tops(const PairOperands& t, KeyRange seen, int64_t first,
                                int64_t count) {
  float tops[kKeyGroups] = {};
  for (int64_t n = seen.begin; n < seen.end; ++n) {
    float& top = tops[n / kSumKeys];
    top = std::max(top, t.value_scale[n]);
  }
  for (int64_t g = 0; g < kKeyGroups; ++g) {
    std::fill_n(t.value_top + g * t.rows_padded + first, count, tops[g]);
  }
}

/// Hides from rows what they do not see.
HWY_INLINE void hide_keys(const TileState& s, KeyRange seen, int64_t first, int64_t count) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  for (int64_t r = first; r < first + count; ++r) {
    float* scores = s.scores + r * kTileKeys;
    std::fill_n(scores, std::min(seen.begin, kTileKeys), kNone);
    std::fill(scores + std::max<int64_t>(seen.end, 0), scores + kTileKeys, kNone);
  }
}

/// The largest score of rows [first, first + count), at most kLanes of them, in this block, and
/// what that makes of earlier weights.
HWY_INLINE void find_tops(const TileState& s, const PairOperands& t, int64_t first, int64_t count) {
  VF rows[kLanes];
  for (int64_t i = 0; i < kLanes; ++i) {
    const float* scores = s.scores + (first + std::min(i, count - 1)) * kTileKeys;
    rows[i] = hn::LoadU(DF(), scores);
    for (int64_t n = kLanes; n < kTileKeys; n += kLanes) {
      rows[i] = hn::Max(rows[i], hn::LoadU(DF(), scores + n));
    }
  }
  // Finite, so that a row which sees nothing never meets infinity minus infinity.
  const VF lowest = hn::Set(DF(), std::numeric_limits<float>::lowest());
  const VF scale = hn::LoadU(DF(), t.query_scale + first);
  const VF top = hn::Max(hn::Mul(reduce_rows(rows, MaxLanes()), scale), lowest);
  const VF before = hn::LoadU(DF(), s.largest + first), largest = hn::Max(before, top);
  hn::StoreU(top, DF(), t.top + first);
  hn::StoreU(largest, DF(), s.largest + first);
  hn::StoreU(power_of_2(hn::Sub(before, largest)), DF(), s.shrink + first);
  hn::StoreU(power_of_2(hn::Sub(top, largest)), DF(), t.lift + first);
}

/// A row's scores to weights 2^(score - the block's largest), times their values' scales; adds the
/// weights to its totals. sums [kKeyGroups]: of the products, lane by lane.
HWY_INLINE void weigh_row(const TileState& s, const PairOperands& t, int64_t r, VF* sums) {
  float* scores = s.scores + r * kTileKeys;
  const VF scale = hn::Set(DF(), t.query_scale[r]), top = hn::Set(DF(), t.top[r]);
  VF total = hn::Zero(DF());
  for (int64_t g = 0; g < kKeyGroups; ++g) {
    VF sum = hn::Zero(DF());
    for (int64_t n = g * kSumKeys; n < (g + 1) * kSumKeys; n += kLanes) {
      const VF power = power_of_2(hn::MulSub(hn::LoadU(DF(), scores + n), scale, top));
      const VF weight = hn::Mul(power, hn::LoadU(DF(), t.value_scale + n));
      hn::StoreU(weight, DF(), scores + n);
      total = hn::Add(total, power);
      sum = hn::Add(sum, weight);
    }
    sums[g] = sum;
  }
  float* totals = t.totals + r * kLanes;
  const VF before = hn::Mul(hn::LoadU(DF(), totals), hn::Set(DF(), s.shrink[r]));
  hn::StoreU(hn::MulAdd(total, hn::Set(DF(), t.lift[r]), before), DF(), totals);
}

/// A row's weights to integers in the same place; inverse [kKeyGroups].
HWY_INLINE void round_row(const TileState& s, const PairOperands& t, int64_t r, const VF* inverse) {
  const hn::Rebind<int16_t, DI> di16;
  const float* weights = s.scores + r * kTileKeys;
  int16_t* out = t.weights + r * 2 * kTileKeys;
  for (int64_t n = 0; n < kTileKeys; n += kLanes) {
    const VF scaled = hn::Mul(hn::LoadU(DF(), weights + n), inverse[n / kSumKeys]);
    hn::StoreU(hn::DemoteTo(di16, hn::NearestInt(scaled)), di16, out + n);
  }
}

/// Rows [first, first + count), at most kLanes of them, with the unit of integers for each group
/// that kWeightSum and kWeightTop allow.
HWY_INLINE void weigh_rows(const TileState& s, const PairOperands& t, int64_t first,
                           int64_t count) {
  VF sums[kKeyGroups][kLanes];
  for (int64_t i = 0; i < count; ++i) {
    VF row[kKeyGroups];
    weigh_row(s, t, first + i, row);
    for (int64_t g = 0; g < kKeyGroups; ++g) sums[g][i] = row[g];
  }
  for (auto& group : sums) std::fill(group + count, group + kLanes, hn::Zero(DF()));
  HWY_ALIGN float inverse[kKeyGroups][kLanes];
  const VF lift = hn::LoadU(DF(), t.lift + first);
  for (int64_t g = 0; g < kKeyGroups; ++g) {
    const int64_t at = g * t.rows_padded + first;
    const VF by_sum = hn::Mul(reduce_rows(sums[g], AddLanes()), hn::Set(DF(), 1 / kWeightSum));
    const VF by_top = hn::Mul(hn::LoadU(DF(), t.value_top + at), hn::Set(DF(), 1 / kWeightTop));
    const VF unit = hn::Max(hn::Max(by_sum, by_top), hn::Set(DF(), kSmallestTop));
    hn::StoreU(hn::Mul(unit, lift), DF(), t.factor + at);
    hn::Store(hn::Div(hn::Set(DF(), 1.0f), unit), DF(), inverse[g]);
  }
  for (int64_t i = 0; i < count; ++i) {
    VF row[kKeyGroups];
    for (int64_t g = 0; g < kKeyGroups; ++g) row[g] = hn::Set(DF(), inverse[g][i]);
    round_row(s, t, first + i, row);
  }
}

HWY_NOINLINE void weigh_pairs(const AttendTile& tile, const TileState& s, const PairOperands& t) {
  find_value_tops(t, {0, kTileKeys}, 0, s.rows);
  for (int64_t i = 0; i < tile.tokens; ++i) {
    const KeyRange seen = visible_keys(tile, s, i * tile.group, 1);
    if (seen.begin == 0 && seen.end == kTileKeys) continue;
    find_value_tops(t, seen, i * tile.group, tile.group);
    hide_keys(s, seen, i * tile.group, tile.group);
  }
  for (int64_t first = 0; first < s.rows; first += kLanes) {
    const int64_t count = std::min<int64_t>(kLanes, s.rows - first);
    find_tops(s, t, first, count);
    weigh_rows(s, t, first, count);
  }
}

#endif  // OCTAVO_HAS_PAIRS
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
