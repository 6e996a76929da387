// What attention over many rows multiplies: 16-bit integers in pairs, two products to each 32-bit
// lane of a dot. Every scale is such that no sum can leave 32 bits (simd/attention_pairs-inl.h).
#if defined(OCTAVO_SIMD_ATTENTION_PAIRS_BLOCK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_ATTENTION_PAIRS_BLOCK_INL_H_
#undef OCTAVO_SIMD_ATTENTION_PAIRS_BLOCK_INL_H_
#else
#define OCTAVO_SIMD_ATTENTION_PAIRS_BLOCK_INL_H_
#endif

#include <cmath>

#include "simd/attention_block-inl.h"

/// Whether the target multiplies pairs of 16 bits faster than floats.
#undef OCTAVO_HAS_PAIRS
#define OCTAVO_HAS_PAIRS \
  (HWY_TARGET == HWY_AVX3_DL || (HWY_TARGET == HWY_AVX2 && OCTAVO_DOT_PRODUCT))

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_HAS_PAIRS

/// Dimensions, and keys, whose products are summed as integers; pairs of them.
constexpr int64_t kSumDims = 32, kSumKeys = 32, kSumPairs = 16;
static_assert(kValueStrip % kSumDims == 0 && kTileKeys % kSumKeys == 0);
constexpr int64_t kKeyGroups = kTileKeys / kSumKeys;

// Keys and queries: a key's norm over kSumDims is kKeyNorm, a query's kQueryNorm at most, so with
// what rounding adds (half a unit for each number) |q . k| <= |q| |k| < 2^31.
constexpr float kKeyNorm = 32700.0f, kQueryNorm = 65500.0f, kQueryTop = 32767.0f;
// Values are kValueTop at most; the weights of kSumKeys keys come to kWeightSum at most, and
// (kWeightSum + kSumKeys / 2) kValueTop < 2^31.
constexpr float kValueTop = 16383.0f, kWeightSum = 131040.0f, kWeightTop = 32767.0f;
/// A norm or top below this counts as zeros.
constexpr float kSmallestTop = 1e-30f;

/// The operands and scales in the scratch, beside those of TileState.
struct PairOperands {
  int64_t groups;      ///< of kSumDims dimensions, the last filled up with zeros
  int16_t* queries;    ///< [rows, width]
  int16_t* keys;       ///< strips of kStrip keys: [groups, kSumPairs, kStrip, 2]
  int16_t* values;     ///< strips of kStrip dimensions: [kTileKeys / 2, kStrip, 2]
  int16_t* weights;    ///< [rows, 2 * kTileKeys], of which the first half: where the scores were
  float* query_scale;  ///< [rows], with the scale of scores and log2(e): weights are powers of 2
  float* key_scale;    ///< [groups, kTileKeys]
  float* value_scale;  ///< [kTileKeys]
  float* totals;       ///< [rows, kLanes], summands of TileState::total
  float* top;          ///< [rows], the block's largest score
  float* lift;         ///< [rows], 2^(top - the largest score so far)
  float* value_top;    ///< [kKeyGroups, rows_padded], the largest value_scale that a row sees
  float* factor;       ///< [kKeyGroups, rows_padded], of a group's integer sums
  int64_t rows_padded;
};

inline PairOperands split_pair_scratch(const AttendTile& tile, float* scratch, TileState& s) {
  s = {};
  s.rows = tile.tokens * tile.group;
  s.head_dim = tile.head_dim;
  s.width = kv_value_strips(tile.head_dim) * kValueStrip;
  const auto take = [&](int64_t count) {
    float* part = scratch;
    scratch += tile_padded(count);
    return part;
  };
  const auto take_pairs = [&](int64_t count) {
    return reinterpret_cast<int16_t*>(take(count / 2));
  };
  PairOperands t = {};
  t.groups = s.width / kSumDims;
  t.queries = take_pairs(s.rows * s.width);
  t.keys = take_pairs(kTileKeys * s.width);
  t.values = take_pairs(kTileKeys * s.width);
  s.scores = take(s.rows * kTileKeys);
  t.weights = reinterpret_cast<int16_t*>(s.scores);
  s.sums = take(s.rows * s.width);
  t.key_scale = take(t.groups * kTileKeys);
  t.value_scale = take(kTileKeys);
  t.totals = take(s.rows * kLanes);
  s.largest = take(s.rows);
  s.total = take(s.rows);
  s.shrink = take(s.rows);
  t.query_scale = take(s.rows);
  t.top = take(s.rows);
  t.lift = take(s.rows);
  t.rows_padded = tile_padded(s.rows);
  t.value_top = take(kKeyGroups * t.rows_padded);
  t.factor = take(kKeyGroups * t.rows_padded);
  return t;
}

/// Lanes of two 16-bit numbers: a's in the lower halves.
HWY_INLINE VI join_integers(VI a, VI b) {
  const VU low = hn::And(hn::BitCast(DU(), a), hn::Set(DU(), 0xFFFFu));
  return hn::BitCast(DI(), hn::Or(low, hn::ShiftLeft<16>(hn::BitCast(DU(), b))));
}
HWY_INLINE VI round_pair(VF a, VF b) { return join_integers(hn::NearestInt(a), hn::NearestInt(b)); }
HWY_INLINE void store_pairs(VI pairs, int16_t* to) {
  hn::StoreU(pairs, DI(), reinterpret_cast<int32_t*>(to));
}

/// scale / x, or 0 where x counts as zeros.
HWY_INLINE VF inverse_of(float scale, VF x) {
  const auto large = hn::Ge(x, hn::Set(DF(), kSmallestTop));
  return hn::IfThenElseZero(large, hn::Div(hn::Set(DF(), scale), x));
}

/// The block's keys, each group of dimensions with the scale of its norm. Fetches the block's
/// values and the next block's keys.
template <CacheFormat kFormat>
HWY_NOINLINE void pack_key_pairs(const TileState& s, const PairOperands& t) {
  for (int64_t n = 0; n < kTileKeys; n += kLanes) {
    if (n % kPanelRows == 0) prefetch_quarter(s, kFormat, n / kPanelRows);
    const auto load = [&](int64_t k) {
      return k < s.head_dim ? load_keys<kFormat>(s.block.keys, s.head_dim, n, k) : hn::Zero(DF());
    };
    int16_t* out = t.keys + n / kStrip * kStrip * s.width + n % kStrip * 2;
    for (int64_t g = 0; g < t.groups; ++g) {
      VF squares = hn::Zero(DF());
      for (int64_t k = g * kSumDims; k < (g + 1) * kSumDims; ++k) {
        const VF key = load(k);
        squares = hn::MulAdd(key, key, squares);
      }
      const VF norm = hn::Sqrt(squares), inverse = inverse_of(kKeyNorm, norm);
      hn::StoreU(hn::Mul(norm, hn::Set(DF(), 1.0f / kKeyNorm)), DF(),
                 t.key_scale + g * kTileKeys + n);
      for (int64_t k = g * kSumDims; k < (g + 1) * kSumDims; k += 2, out += 2 * kStrip) {
        store_pairs(round_pair(hn::Mul(inverse, load(k)), hn::Mul(inverse, load(k + 1))), out);
      }
    }
  }
}

/// The largest |value| of a block's position, in all lanes.
template <CacheFormat kFormat>
HWY_INLINE VF value_top(const TileState& s, int64_t slot) {
  VF most = hn::Zero(DF());
  for (int64_t k = 0; k < s.width; k += kLanes) {
    most = hn::Max(most, hn::Abs(load_value<kFormat>(s.block.values, slot, k)));
  }
  return hn::MaxOfLanes(DF(), most);
}

/// The block's values, each key with its own scale: one for several would depend on keys that some
/// tiles do not hold.
template <CacheFormat kFormat>
HWY_NOINLINE void pack_value_pairs(const TileState& s, const PairOperands& t) {
  for (int64_t n = 0; n < kTileKeys; n += 2) {
    const VF tops[2] = {value_top<kFormat>(s, n), value_top<kFormat>(s, n + 1)};
    const VF inverse[2] = {inverse_of(kValueTop, tops[0]), inverse_of(kValueTop, tops[1])};
    for (int i = 0; i < 2; ++i) t.value_scale[n + i] = hn::GetLane(tops[i]) * (1.0f / kValueTop);
    int16_t* out = t.values + n * kStrip;
    for (int64_t k = 0; k < s.width; k += kLanes) {
      const auto load = [&](int i) {
        return hn::Mul(inverse[i], load_value<kFormat>(s.block.values, n + i, k));
      };
      store_pairs(round_pair(load(0), load(1)),
                  out + k / kStrip * kStrip * kTileKeys + k % kStrip * 2);
    }
  }
}

/// A row of queries, with one scale.
HWY_INLINE void pack_query_row(const float* q, float scale, int64_t r, const TileState& s,
                               const PairOperands& t) {
  HWY_ALIGN float row[kSumDims];
  const auto load_group = [&](int64_t g) {
    const int64_t count = std::min(kSumDims, s.head_dim - g * kSumDims);
    std::copy_n(q + g * kSumDims, count, row);
    std::fill(row + count, row + kSumDims, 0.0f);
  };
  VF top = hn::Zero(DF()), largest = hn::Zero(DF());
  for (int64_t g = 0; g < t.groups; ++g) {
    load_group(g);
    VF squares = hn::Zero(DF());
    for (int64_t k = 0; k < kSumDims; k += kLanes) {
      const VF x = hn::Load(DF(), row + k);
      top = hn::Max(top, hn::Abs(x));
      squares = hn::MulAdd(x, x, squares);
    }
    largest = hn::Max(largest, hn::SumOfLanes(DF(), squares));
  }
  const float unit = std::max(hn::GetLane(hn::MaxOfLanes(DF(), top)) / kQueryTop,
                              std::sqrt(hn::GetLane(largest)) / kQueryNorm);
  const VF inverse = hn::Set(DF(), unit >= kSmallestTop ? 1.0f / unit : 0.0f);
  // Not 0, which would make NaN of what a row does not see.
  t.query_scale[r] = std::max(unit, kSmallestTop) * scale;
  int16_t* out = t.queries + r * s.width;
  const hn::Rebind<int16_t, DI> di16;
  for (int64_t g = 0; g < t.groups; ++g, out += kSumDims) {
    load_group(g);
    for (int64_t k = 0; k < kSumDims; k += kLanes) {
      const VI rounded = hn::NearestInt(hn::Mul(inverse, hn::Load(DF(), row + k)));
      hn::StoreU(hn::DemoteTo(di16, rounded), di16, out + k);
    }
  }
}

#endif  // OCTAVO_HAS_PAIRS
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
