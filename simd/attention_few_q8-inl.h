// A few query rows against a q8_0 cache, in integers. Scores are the product of quantized weights
// by quantized activations (matmul_q8-inl.h). For the values, a row's softmax weights times the
// values' scales become integers of 14 bits, two parts of 7 each, so that a dot product over four
// positions saturates on no instruction set; they lose 2^-15 of the
// largest of 64.
#if defined(OCTAVO_SIMD_ATTENTION_FEW_Q8_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_ATTENTION_FEW_Q8_INL_H_
#undef OCTAVO_SIMD_ATTENTION_FEW_Q8_INL_H_
#else
#define OCTAVO_SIMD_ATTENTION_FEW_Q8_INL_H_
#endif

#include "simd/attention_products-inl.h"
#include "simd/q8_block_tiles-inl.h"
#include "simd/row_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

/// Rows that share a pass over the values, and vectors of 4 positions that they meet at a time.
constexpr int kValueRows = 4, kValueVectors = kLanes == 16 || HWY_ARCH_ARM ? 2 : 1;
constexpr int kPartBits = 7;
constexpr float kLargestWeight = (1 << 2 * kPartBits) - 1;

/// Queries in blocks of 32, where many rows would have their values.
inline Q8Rows quantize_queries(const TileState& s) {
  Q8Rows x = {};
  x.padded = (s.head_dim + 63) / 64 * 64;
  const int64_t blocks = s.rows * x.padded / 32;
  x.scale = s.values;
  x.sum = reinterpret_cast<int32_t*>(s.values + blocks);
  x.half_sum = x.sum + blocks;
  x.q = reinterpret_cast<int8_t*>(x.half_sum + 2 * blocks);
  for (int64_t r = 0; r < s.rows; ++r) quantize_q8(s.queries + r * s.head_dim, s.head_dim, r, x);
  return x;
}

/// Asks for [from, from + bytes), past the second-level cache, and returns the end.
HWY_INLINE const std::byte* fetch_once(const std::byte* from, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(from + i, 0, 0);
  return from + bytes;
}

HWY_NOINLINE void score_few_q8(const AttendTile& tile, const TileState& s, const Q8Rows& x) {
  const KeyRange seen = visible_keys(tile, s, 0, s.rows);
  const int64_t tiles = x.padded / 64;
  const std::byte* fetched = s.block.values;
  const int64_t share = kv_values_bytes(CacheFormat::kQ8_0, s.head_dim) / (4 * tiles);
  for (int64_t n = seen.begin / kPanelRows * kPanelRows; n < seen.end; n += kPanelRows) {
    for_row_blocks(s.rows, [&]<int kRows>(int64_t first) {
      const Q8Cursor<kRows> cursor(x, first);
      const std::byte* panel = s.block.keys + n / kPanelRows * tiles * kQ8TileBytes;
      VF sum[kRows][kVectors];
      for (auto& row : sum) std::fill_n(row, kVectors, hn::Zero(DF()));
      for (int64_t t = 0; t < tiles; ++t) {
        if (first == 0) fetched = fetch_once(fetched, share);
        q8_0_tile<kRows>(panel + t * kQ8TileBytes, cursor, 64 * t, sum);
      }
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < kVectors; ++v) {
          hn::StoreU(sum[r][v], DF(), s.scores + (first + r) * kTileKeys + n + v * kLanes);
        }
      }
    });
  }
}

/// Four vectors of integers, lane j those of the positions j, 16 + j, 32 + j and 48 + j, as bytes
/// of their low and of their high part.
HWY_INLINE void store_weight_parts(const VU (&whole)[4], uint32_t* high, uint32_t* low) {
  const VU half = hn::Set(DU(), 0xFFFFu), part = hn::Set(DU(), 0x007F007Fu);
  const VU even = hn::Or(hn::And(whole[0], half), hn::ShiftLeft<16>(whole[2])),
           odd = hn::Or(hn::And(whole[1], half), hn::ShiftLeft<16>(whole[3]));
  const VU low_parts = hn::Or(hn::And(even, part), hn::ShiftLeft<8>(hn::And(odd, part)));
  const VU high_parts = hn::Or(hn::And(hn::ShiftRight<kPartBits>(even), part),
                               hn::And(hn::ShiftLeft<8 - kPartBits>(odd), hn::ShiftLeft<8>(part)));
  hn::StoreU(high_parts, DU(), high);
  hn::StoreU(low_parts, DU(), low);
}

/// The weights of a row block times the scales of a strip as integers, and what one of them is
/// worth.
template <int kRows>
struct PartWeights {
  HWY_ALIGN uint32_t high[kRows][kPanelRows];
  HWY_ALIGN uint32_t low[kRows][kPanelRows];
  float step[kRows];

  HWY_INLINE PartWeights(const TileState& s, int64_t first, const std::byte* scales) {
    constexpr int64_t kCount = kTileKeys / kLanes;
    // Added to a number of this size a float has its integer part in the low bits.
    const VF magic = hn::Set(DF(), 12582912.0f);
    for (int r = 0; r < kRows; ++r) {
      const float* weights = s.scores + (first + r) * kTileKeys;
      VF scaled[kCount];
      VF most = hn::Zero(DF());
      for (int64_t i = 0; i < kCount; ++i) {
        scaled[i] =
            hn::Mul(hn::LoadU(DF(), weights + i * kLanes), load_f16(scales + 2 * i * kLanes));
        most = hn::Max(most, scaled[i]);
      }
      const float largest = hn::GetLane(hn::MaxOfLanes(DF(), most));
      step[r] = largest * (1.0f / kLargestWeight);
      const VF inverse = hn::Set(DF(), largest > kQ8SmallestMax ? kLargestWeight / largest : 0.0f);
      for (int64_t j = 0; j < kVectors; ++j) {
        VU whole[4];
        for (int64_t m = 0; m < 4; ++m) {
          whole[m] = hn::BitCast(DU(), hn::MulAdd(scaled[m * kVectors + j], inverse, magic));
        }
        store_weight_parts(whole, high[r] + j * kLanes, low[r] + j * kLanes);
      }
    }
  }
};

/// sums = shrink * sums + weights * values for kValueVectors vectors of dimensions, whose lines
/// begin at `lines`; `out` are their sums of the first row.
template <int kRows>
HWY_INLINE void add_lines(const TileState& s, const PartWeights<kRows>& weights, int64_t first,
                          const std::byte* lines, float* out) {
  VI high[kRows][kValueVectors], low[kRows][kValueVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kValueVectors; ++v) high[r][v] = low[r][v] = hn::Zero(DI());
  }
  for (int64_t j = 0; j < kPanelRows; ++j, lines += 4 * kValueStrip) {
    VI8 line[kValueVectors];
    for (int v = 0; v < kValueVectors; ++v) {
      line[v] = hn::BitCast(DI8(), load_bytes(lines + 4 * v * kLanes));
    }
    for (int r = 0; r < kRows; ++r) {
      const VU8 a = hn::BitCast(DU8(), hn::Set(DU(), weights.high[r][j])),
                b = hn::BitCast(DU8(), hn::Set(DU(), weights.low[r][j]));
      for (int v = 0; v < kValueVectors; ++v) {
        high[r][v] = dot_unsigned(high[r][v], a, line[v]);
        low[r][v] = dot_unsigned(low[r][v], b, line[v]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    const VF shrink = hn::Set(DF(), s.shrink[first + r]), step = hn::Set(DF(), weights.step[r]);
    for (int v = 0; v < kValueVectors; ++v) {
      float* sum = out + r * s.width + v * kLanes;
      const VI whole = hn::Add(hn::ShiftLeft<kPartBits>(high[r][v]), low[r][v]);
      const VF before = hn::Mul(shrink, hn::LoadU(DF(), sum));
      hn::StoreU(hn::MulAdd(hn::ConvertTo(DF(), whole), step, before), DF(), sum);
    }
  }
}

HWY_NOINLINE void value_few_q8(const TileState& s) {
  const int64_t strips = kv_value_strips(s.head_dim);
  const int64_t share = kv_keys_bytes(CacheFormat::kQ8_0, s.head_dim) / strips;
  for_row_blocks<kValueRows>(s.rows, [&]<int kRows>(int64_t first) {
    for (int64_t strip = 0; strip < strips; ++strip) {
      if (first == 0 && s.next.keys != nullptr) fetch_once(s.next.keys + strip * share, share);
      const std::byte* from = s.block.values + strip * kQ8StripBytes;
      const PartWeights<kRows> weights(s, first, from);
      for (int64_t i = 0; i < kValueStrip; i += kValueVectors * kLanes) {
        add_lines(s, weights, first, from + kQ8StripQuants + 4 * i,
                  s.sums + first * s.width + strip * kValueStrip + i);
      }
    }
  });
}

inline void attend_few_q8(const AttendTile& tile, float* scratch) {
  TileState s = split_scratch(tile, scratch);
  scale_queries(tile, s);
  const Q8Rows x = quantize_queries(s);
  start_rows(s);
  for_key_blocks(tile, s, [&] {
    score_few_q8(tile, s, x);
    weigh_tile(tile, s);
    value_few_q8(s);
  });
  finish_rows(tile, s);
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
