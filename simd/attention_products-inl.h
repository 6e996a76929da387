// What attention of few and of many rows share: the products in registers, the softmax kept up to
// date block by block (flash attention), and the way through the blocks.
#if defined(OCTAVO_SIMD_ATTENTION_PRODUCTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_ATTENTION_PRODUCTS_INL_H_
#undef OCTAVO_SIMD_ATTENTION_PRODUCTS_INL_H_
#else
#define OCTAVO_SIMD_ATTENTION_PRODUCTS_INL_H_
#endif

#include <limits>

#include "simd/attention_block-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

/// sum[r, v] += a[r, :] * b[:, v]: a [kRows, a_stride]; b [depth, kVecs vectors], vector v of line
/// k read by line(k, v).
template <int kRows, int kVecs, class Line>
HWY_INLINE void add_products(const float* a, int64_t a_stride, int64_t depth, const Line& line,
                             VF (&sum)[kRows][kVecs]) {
  for (int64_t k = 0; k < depth; ++k) {
    VF b[kVecs];
    for (int v = 0; v < kVecs; ++v) b[v] = line(k, v);
    for (int r = 0; r < kRows; ++r) {
      const VF x = hn::Set(DF(), a[r * a_stride + k]);
      for (int v = 0; v < kVecs; ++v) sum[r][v] = hn::MulAdd(x, b[v], sum[r][v]);
    }
  }
}

/// Scores of the strip of keys [n, n + kStrip), whose dimension k is line(k, v).
template <int kRows, class Line>
HWY_INLINE void score_strip(const TileState& s, int64_t first, int64_t n, const Line& line) {
  VF sum[kRows][kSumVectors];
  for (auto& row : sum) std::fill_n(row, kSumVectors, hn::Zero(DF()));
  add_products(s.queries + first * s.head_dim, s.head_dim, s.head_dim, line, sum);
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kSumVectors; ++v) {
      hn::StoreU(sum[r][v], DF(), s.scores + (first + r) * kTileKeys + n + v * kLanes);
    }
  }
}

/// Columns [column, column + kStrip) of a row block's sums; key seen.begin + k has the values
/// line(k, v).
template <int kRows, class Line>
HWY_INLINE void add_values(const TileState& s, KeyRange seen, int64_t first, int64_t column,
                           const Line& line) {
  VF sum[kRows][kSumVectors];
  float* out = s.sums + first * s.width + column;
  for (int r = 0; r < kRows; ++r) {
    const VF shrink = hn::Set(DF(), s.shrink[first + r]);
    for (int v = 0; v < kSumVectors; ++v) {
      sum[r][v] = hn::Mul(shrink, hn::LoadU(DF(), out + r * s.width + v * kLanes));
    }
  }
  add_products(s.scores + first * kTileKeys + seen.begin, kTileKeys, seen.end - seen.begin, line,
               sum);
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kSumVectors; ++v) {
      hn::StoreU(sum[r][v], DF(), out + r * s.width + v * kLanes);
    }
  }
}

/// e^x for x <= 0, and 0 below -86, where results would have no exponent left.
HWY_INLINE VF exp_weight(VF x) {
  // x = n ln 2 + f with |f| <= ln 2 / 2; n arrives in the low bits of a float of 2^23 and more.
  const VF magic = hn::Set(DF(), 12582912.0f);
  const VF shifted = hn::MulAdd(x, hn::Set(DF(), 1.44269504f), magic);
  const VF n = hn::Sub(shifted, magic);
  VF f = hn::NegMulAdd(n, hn::Set(DF(), 0.693359375f), x);
  f = hn::MulAdd(n, hn::Set(DF(), 2.12194440e-4f), f);
  VF y = hn::Set(DF(), 1.9875691500e-4f);
  for (const float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f,
                        5.0000001201e-1f, 1.0f, 1.0f}) {
    y = hn::MulAdd(y, f, hn::Set(DF(), c));
  }
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(DI(), shifted));
  const VF scaled = hn::BitCast(DF(), hn::Add(hn::BitCast(DI(), y), exponent));
  return hn::IfThenElseZero(hn::Ge(x, hn::Set(DF(), -86.0f)), scaled);
}

/// Hides from a token's rows what it does not see, and notes how their largest score grows.
HWY_INLINE void find_largest(const TileState& s, KeyRange seen, int64_t first, int64_t group) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  for (int64_t r = first; r < first + group; ++r) {
    float* scores = s.scores + r * kTileKeys;
    std::fill_n(scores, std::min(seen.begin, kTileKeys), kNone);
    std::fill(scores + std::max<int64_t>(seen.end, 0), scores + kTileKeys, kNone);
    VF most = hn::LoadU(DF(), scores);
    for (int64_t n = kLanes; n < kTileKeys; n += kLanes) {
      most = hn::Max(most, hn::LoadU(DF(), scores + n));
    }
    const float largest = std::max(s.largest[r], hn::GetLane(hn::MaxOfLanes(DF(), most)));
    s.shrink[r] = s.largest[r] - largest;
    s.largest[r] = largest;
  }
}

/// Scores to weights, relative to the largest score so far; what a row does not see weighs nothing.
HWY_NOINLINE void weigh_tile(const AttendTile& tile, const TileState& s) {
  for (int64_t t = 0; t < tile.tokens; ++t) {
    find_largest(s, visible_keys(tile, s, t * tile.group, 1), t * tile.group, tile.group);
  }
  for (int64_t r = 0; r < s.rows; r += kLanes) {  // the parts of the scratch are whole vectors
    hn::StoreU(exp_weight(hn::LoadU(DF(), s.shrink + r)), DF(), s.shrink + r);
  }
  for (int64_t r = 0; r < s.rows; ++r) {
    float* scores = s.scores + r * kTileKeys;
    const VF largest = hn::Set(DF(), s.largest[r]);
    VF sum = hn::Zero(DF());
    for (int64_t n = 0; n < kTileKeys; n += kLanes) {
      const VF weight = exp_weight(hn::Sub(hn::LoadU(DF(), scores + n), largest));
      hn::StoreU(weight, DF(), scores + n);
      sum = hn::Add(sum, weight);
    }
    s.total[r] = s.total[r] * s.shrink[r] + hn::GetLane(hn::SumOfLanes(DF(), sum));
  }
}

HWY_INLINE void scale_queries(const AttendTile& tile, const TileState& s) {
  const int64_t row = tile.group * tile.head_dim;
  for (int64_t t = 0; t < tile.tokens; ++t) {
    const float* q = tile.q + t * tile.q_stride;
    for (int64_t i = 0; i < row; ++i) s.queries[t * row + i] = tile.scale * q[i];
  }
}

/// Nothing seen yet.
HWY_INLINE void start_rows(const TileState& s) {
  // Finite, so that a row which sees nothing yet never meets infinity minus infinity.
  std::fill_n(s.largest, s.rows, std::numeric_limits<float>::lowest());
  std::fill_n(s.total, s.rows, 0.0f);
  std::fill_n(s.sums, s.rows * s.width, 0.0f);
}

/// Calls visit() for each block of keys that a row sees, which is then `s`.
template <class Visit>
HWY_INLINE void for_key_blocks(const AttendTile& tile, TileState& s, const Visit& visit) {
  s.first = tile.first;
  for (size_t i = 0; i < tile.blocks.size(); ++i, s.first += kTileKeys) {
    s.block = tile.blocks[i];
    s.next = i + 1 < tile.blocks.size() ? tile.blocks[i + 1] : tile.next;
    const KeyRange seen = visible_keys(tile, s, 0, s.rows);
    if (seen.begin < seen.end) visit();
  }
}

/// Sums to means, or to what others are added to.
HWY_INLINE void finish_rows(const AttendTile& tile, const TileState& s) {
  const bool partial = tile.largest != nullptr;
  for (int64_t r = 0; r < s.rows; ++r) {
    float* out = tile.out + r / tile.group * tile.out_stride + r % tile.group * tile.head_dim;
    const float factor = partial ? 1.0f : 1.0f / s.total[r];
    for (int64_t k = 0; k < s.head_dim; ++k) out[k] = s.sums[r * s.width + k] * factor;
  }
  if (!partial) return;
  std::copy_n(s.largest, s.rows, tile.largest);
  std::copy_n(s.total, s.rows, tile.total);
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
