// Quantized weights as tiles of bf16: lines of 16 rows x 2 columns, the order of AMX's B tiles.
#if defined(OCTAVO_SIMD_BF16_UNPACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_BF16_UNPACK_INL_H_
#undef OCTAVO_SIMD_BF16_UNPACK_INL_H_
#else
#define OCTAVO_SIMD_BF16_UNPACK_INL_H_
#endif

#include "simd/bf16_rows.h"
#include "simd/matmul_q8-inl.h"
#include "simd/tiles.h"

#if HWY_TARGET == HWY_AVX3_DL
HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {

/// Steps of 32 columns that are unpacked at a time.
constexpr int kBf16Lot = 4;

/// Byte kByte of each lane, times scale, as bf16 in the lane's upper half; the lower half is
/// anything.
template <int kByte>
HWY_INLINE VI scaled_bf16(VI signed_bytes, VF scale) {
  const VI q = hn::ShiftRight<24>(hn::ShiftLeft<24 - 8 * kByte>(signed_bytes));
  const VF value = hn::Mul(hn::ConvertTo(DF(), q), scale);
  return hn::Add(hn::BitCast(DI(), value), hn::Set(DI(), 0x8000));
}

/// 16 rows x 4 columns of signed bytes as two lines of 16 rows x 2 columns.
HWY_INLINE void store_bf16(VI q, VF scale, int32_t* to) {
  const VI upper = hn::Set(DI(), static_cast<int32_t>(0xFFFF0000u));
  const auto pair = [&](VI even, VI odd) {
    const DU du;
    const VI low = hn::BitCast(DI(), hn::ShiftRight<16>(hn::BitCast(du, even)));
    return hn::OrAnd(low, odd, upper);
  };
  hn::Store(pair(scaled_bf16<0>(q, scale), scaled_bf16<1>(q, scale)), DI(), to);
  hn::Store(pair(scaled_bf16<2>(q, scale), scaled_bf16<3>(q, scale)), DI(), to + kLanes);
}

/// Step s of a panel of q8_0, 32 columns: 16 lines, a tile.
HWY_INLINE void unpack_bf16_q8_0(const std::byte* panel, int64_t s, std::byte* out) {
  constexpr int kBytes = q8_tile_bytes(Format::kQ8_0);
  const std::byte* tile = panel + s / 2 * kBytes;
  const int block = static_cast<int>(s % 2);
  if (block == 0) {
    for (int at = 0; at < kBytes; at += 64) hwy::Prefetch(tile + kBf16Lot / 2 * kBytes + at);
  }
  constexpr uint32_t kOffsets = 0x01010101u * tile::kQ8Offset;  // in all four bytes
  const VI offsets = hn::Set(DI(), static_cast<int32_t>(kOffsets));
  const VF scale = load_f16(tile + tile::scale_at(0, block));
  const auto* line = reinterpret_cast<const int32_t*>(tile + tile::kBlockQuants + 512 * block);
  auto* to = reinterpret_cast<int32_t*>(out);
  for (int g = 0; g < 8; ++g, line += kLanes, to += 2 * kLanes) {
    store_bf16(hn::Xor(hn::LoadU(DI(), line), offsets), scale, to);
  }
}

/// A sub-block of q6_k, 16 columns of chunk c: 8 lines, half a tile.
template <bool kHigh, int kPiece>
HWY_INLINE void unpack_bf16_six(const std::byte* tile, int c, std::byte* out) {
  constexpr int kColumn = 32 * kHigh + 16 * kPiece;
  const hn::Rebind<int8_t, DI> di8;
  const auto* scales =
      reinterpret_cast<const int8_t*>(tile) + tile::six_scale_at(0, 4 * c + kColumn / 16);
  const VI integers = hn::PromoteTo(DI(), hn::LoadU(di8, scales));
  const VF scale = hn::Mul(hn::ConvertTo(DF(), integers), load_f16(tile));
  const auto* chunk =
      reinterpret_cast<const uint8_t*>(tile) + tile::kSixQuants + tile::chunk_bytes(2) * c;
  const VI high = load_line(chunk + tile::high_at(0, kColumn, 2));
  const uint8_t* line = chunk + tile::high_bytes(2) + 256 * kPiece;
  auto* to = reinterpret_cast<int32_t*>(out) + 8 * kLanes * kPiece;
  const auto store = [&](VU8 quants, int g) {
    const VU8 q = hn::Sub(quants, hn::Set(DU8(), 32));
    store_bf16(hn::BitCast(DI(), q), scale, to + 2 * kLanes * g);
  };
  store(long_quants<2, kHigh, 0>(load_line(line), high), 0);
  store(long_quants<2, kHigh, 2>(load_line(line + 64), high), 1);
  store(long_quants<2, kHigh, 4>(load_line(line + 128), high), 2);
  store(long_quants<2, kHigh, 6>(load_line(line + 192), high), 3);
}

/// Step s of a panel of q6_k.
HWY_INLINE void unpack_bf16_q6_k(const std::byte* panel, int64_t s, std::byte* out) {
  constexpr int kBytes = q8_tile_bytes(Format::kQ6_K), kStepBytes = kBytes / 8;
  const std::byte* tile = panel + s / 8 * kBytes;
  const int step = static_cast<int>(s % 8), c = step / 2;
  const std::byte* next_lot = tile + (kBf16Lot + step) * kStepBytes;
  for (int at = 0; at < kStepBytes; at += 64) hwy::Prefetch(next_lot + at);
  if (step % 2 == 0) {
    unpack_bf16_six<false, 0>(tile, c, out);
    unpack_bf16_six<false, 1>(tile, c, out);
  } else {
    unpack_bf16_six<true, 0>(tile, c, out);
    unpack_bf16_six<true, 1>(tile, c, out);
  }
}

/// `steps` steps from step `first`, the first of a lot, on.
template <Format kFormat>
HWY_NOINLINE void unpack_bf16(const std::byte* panel, int64_t first, int64_t steps,
                              std::byte* out) {
  for (int64_t s = first; s < first + steps; ++s, out += kTileBytes) {
    if constexpr (kFormat == Format::kQ6_K) {
      unpack_bf16_q6_k(panel, s, out);
    } else {
      unpack_bf16_q8_0(panel, s, out);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET == HWY_AVX3_DL

#endif  // include guard
