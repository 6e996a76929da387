// A panel's group of 256 columns of weights of 4 and 5 bits as int8 with one scale a row
// (simd/wide.h), in lines of 16 rows x 4 columns: the order of the dot products and of AMX's B
// tiles.
#if defined(OCTAVO_SIMD_WIDE_UNPACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_WIDE_UNPACK_INL_H_
#undef OCTAVO_SIMD_WIDE_UNPACK_INL_H_
#else
#define OCTAVO_SIMD_WIDE_UNPACK_INL_H_
#endif

#include "quant/tile.h"
#include "simd/matmul_q8-inl.h"
#include "simd/wide.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

using DU16 = hn::Repartition<uint16_t, DI>;
using VU16 = hn::Vec<DU16>;

/// Bytes of one panel's group.
constexpr int kWideLines = kWideCols / 4, kWideLineBytes = 4 * kPanelRows;
constexpr int kWidePanelBytes = kWideLines * kWideLineBytes;

/// Steps and offsets of the 32-blocks of one panel's group, [block][row].
struct WideSteps {
  HWY_ALIGN float step[kWideBlocks][kPanelRows];
  HWY_ALIGN float offset[kWideBlocks][kPanelRows];
};

/// `tile` is the group's first of `tiles` that exist (1..4 of q4_0).
HWY_INLINE void wide_steps_q4_0(const std::byte* tile, int64_t tiles, WideSteps& out) {
  constexpr int kTileBytes = q8_tile_bytes(Format::kQ4_0);
  for (int j = 0; j < kWideBlocks; ++j) {
    for (int v = 0; v < kVectors; ++v) {
      const int r = v * kLanes;
      const bool exists = j / 2 < tiles;
      const VF step =
          exists ? load_f16(tile + j / 2 * kTileBytes + tile::scale_at(r, j % 2)) : hn::Zero(DF());
      hn::Store(step, DF(), out.step[j] + r);
      hn::Store(hn::Mul(step, hn::Set(DF(), 8.0f)), DF(), out.offset[j] + r);
    }
  }
}

HWY_INLINE void wide_steps_super(const std::byte* tile, WideSteps& out) {
  SuperScales scales;
  unpack_super_scales(tile, scales);
  std::memcpy(out.step, scales.scale, sizeof out.step);
  std::memcpy(out.offset, scales.min, sizeof out.offset);
}

/// Both in units of 1/256 of the group's scale and twice in a lane, for the even and the odd column
/// of a pair; `bias` also rounds and, for unsigned bytes, adds 128.
struct WideIntegers {
  HWY_ALIGN int32_t step[kWideBlocks][kPanelRows];
  HWY_ALIGN int32_t bias[kWideBlocks][kPanelRows];
};

HWY_INLINE VI twice(VI value) {
  return hn::Or(hn::And(value, hn::Set(DI(), 0xFFFF)), hn::ShiftLeft<16>(value));
}

/// Quants are 0..kTop.
template <bool kUnsigned, int kTop>
HWY_INLINE void wide_integers(const WideSteps& in, WideIntegers& out, float* scale) {
  for (int v = 0; v < kVectors; ++v) {
    const int r = v * kLanes;
    VF top = hn::Zero(DF());
    for (int j = 0; j < kWideBlocks; ++j) {
      const VF offset = hn::Load(DF(), in.offset[j] + r);
      const VF largest = hn::MulSub(hn::Set(DF(), static_cast<float>(kTop)),
                                    hn::Load(DF(), in.step[j] + r), offset);
      top = hn::Max(top, hn::Max(hn::Abs(offset), hn::Abs(largest)));
    }
    const auto counts = hn::Ge(top, hn::Set(DF(), kWideSmallestTop));
    const VF inverse = hn::IfThenElseZero(counts, hn::Div(hn::Set(DF(), kWideUnits), top));
    const VI start = hn::Set(DI(), kUnsigned ? 0x8080 : 0x0080);
    for (int j = 0; j < kWideBlocks; ++j) {
      const VI step = hn::NearestInt(hn::Mul(hn::Load(DF(), in.step[j] + r), inverse));
      const VI offset = hn::NearestInt(hn::Mul(hn::Load(DF(), in.offset[j] + r), inverse));
      hn::Store(twice(step), DI(), out.step[j] + r);
      hn::Store(twice(hn::Sub(start, offset)), DI(), out.bias[j] + r);
    }
    hn::StoreU(hn::Div(top, hn::Set(DF(), 127.0f)), DF(), scale + r);
  }
}

/// High bytes of step * quant + bias for the quants in the even and odd bytes of 16-bit lanes.
HWY_INLINE VU16 wide_bytes(VU16 even, VU16 odd, VU16 step, VU16 bias) {
  const VU16 e = hn::Add(hn::Mul(even, step), bias);
  const VU16 o = hn::Add(hn::Mul(odd, step), bias);
  return hn::OrAnd(hn::ShiftRight<8>(e), o, hn::Set(DU16(), 0xFF00));
}

/// Steps and biases of a block, for one vector of rows.
struct WideBlock {
  VU16 step, bias;
};
HWY_INLINE WideBlock load_wide_block(const WideIntegers& integers, int j, int r) {
  return {hn::BitCast(DU16(), hn::Load(DI(), integers.step[j] + r)),
          hn::BitCast(DU16(), hn::Load(DI(), integers.bias[j] + r))};
}

HWY_INLINE VU8 wide_bytes(VU16 even, VU16 odd, const WideBlock& block) {
  return hn::BitCast(DU8(), wide_bytes(even, odd, block.step, block.bias));
}
/// The same for quants in all bytes.
HWY_INLINE VU8 wide_bytes(VU8 quants, const WideBlock& block) {
  const VU16 pairs = hn::BitCast(DU16(), quants);
  return wide_bytes(hn::And(pairs, hn::Set(DU16(), 0x00FF)), hn::ShiftRight<8>(pairs), block);
}

/// Line kLine of nibbles of a chunk: two lines of bytes. `low`, `high`: the blocks of the columns
/// in the low and in the high nibbles.
template <int kBits, int kLine>
HWY_INLINE void wide_unpack_line(const uint8_t* chunk, const WideBlock& low, const WideBlock& high,
                                 uint8_t* out) {
  const uint8_t* line = chunk + tile::high_bytes(kBits) + kWideLineBytes * kLine;
  uint8_t* low_line = out + kWideLineBytes * kLine;
  uint8_t* high_line = low_line + 8 * kWideLineBytes;
  if constexpr (kBits == 0) {
    const VU16 mask = hn::Set(DU16(), 0x000F);
    const VU16 bytes = hn::BitCast(DU16(), hn::LoadU(DU8(), line));
    const VU16 odd = hn::ShiftRight<8>(bytes);
    hn::Store(wide_bytes(hn::And(bytes, mask), hn::And(odd, mask), low), DU8(), low_line);
    hn::Store(wide_bytes(hn::And(hn::ShiftRight<4>(bytes), mask), hn::ShiftRight<4>(odd), high),
              DU8(), high_line);
  } else {
    constexpr int kFrom = tile::high_shift(4 * kLine, kBits);
    const VI bytes = load_line(line);
    const VI low_bits = load_line(chunk + tile::high_at(0, 4 * kLine, kBits));
    const VI high_bits = load_line(chunk + tile::high_at(0, 32 + 4 * kLine, kBits));
    hn::Store(wide_bytes(long_quants<kBits, false, kFrom>(bytes, low_bits), low), DU8(), low_line);
    hn::Store(wide_bytes(long_quants<kBits, true, kFrom>(bytes, high_bits), high), DU8(),
              high_line);
  }
}

/// Chunk `c` of 64 columns, blocks 2 * c and 2 * c + 1: 8 lines of nibbles, and the kBits high bits
/// in front of them, to 16 lines.
template <int kBits, int kGroupBytes>
HWY_INLINE void wide_unpack_chunk(const std::byte* chunk, const WideIntegers& integers, int c,
                                  uint8_t* out) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(chunk);
  // The same lines of the next group, which comes after all rows of this one.
  for (int at = 0; at < tile::chunk_bytes(kBits); at += 64) {
    hwy::Prefetch(bytes + kGroupBytes + at);
  }
  out += 16 * kWideLineBytes * c;
  for (int r = 0; r < kPanelRows; r += kLanes, bytes += 4 * kLanes, out += 4 * kLanes) {
    const WideBlock low = load_wide_block(integers, 2 * c, r);
    const WideBlock high = load_wide_block(integers, 2 * c + 1, r);
    wide_unpack_line<kBits, 0>(bytes, low, high, out);
    wide_unpack_line<kBits, 1>(bytes, low, high, out);
    wide_unpack_line<kBits, 2>(bytes, low, high, out);
    wide_unpack_line<kBits, 3>(bytes, low, high, out);
    wide_unpack_line<kBits, 4>(bytes, low, high, out);
    wide_unpack_line<kBits, 5>(bytes, low, high, out);
    wide_unpack_line<kBits, 6>(bytes, low, high, out);
    wide_unpack_line<kBits, 7>(bytes, low, high, out);
  }
}

constexpr int kWideChunks = kWideCols / 64;

/// Group `group` of a panel of q4_0, the last of which may have fewer tiles.
template <bool kUnsigned>
HWY_NOINLINE void wide_unpack_q4_0(const std::byte* panel, int64_t tiles, int64_t group,
                                   uint8_t* out, float* scale) {
  constexpr int kTileBytes = q8_tile_bytes(Format::kQ4_0), kGroupBytes = kWideChunks * kTileBytes;
  const std::byte* tile = panel + group * kGroupBytes;
  const int64_t chunks = std::min<int64_t>(kWideChunks, tiles - group * kWideChunks);
  WideSteps steps;
  WideIntegers integers;
  wide_steps_q4_0(tile, chunks, steps);
  wide_integers<kUnsigned, wide_top(Format::kQ4_0)>(steps, integers, scale);
  for (int c = 0; c < chunks; ++c) {
    wide_unpack_chunk<0, kGroupBytes>(tile + c * kTileBytes + tile::kBlockQuants, integers, c, out);
  }
  const int64_t used = chunks * 16 * kWideLineBytes;
  std::memset(out + used, 0, static_cast<size_t>(kWidePanelBytes - used));
}

/// Group `group` of one panel. out [kWideLines][kPanelRows][4] (aligned), scale [kPanelRows].
template <Format kFormat, bool kUnsigned>
HWY_NOINLINE void wide_unpack(const std::byte* panel, int64_t tiles, int64_t group, uint8_t* out,
                              float* scale) {
  if constexpr (kFormat == Format::kQ4_0) {
    wide_unpack_q4_0<kUnsigned>(panel, tiles, group, out, scale);
  } else {
    constexpr int kTileBytes = q8_tile_bytes(kFormat), kBits = kFormat == Format::kQ5_K ? 1 : 0;
    const std::byte* tile = panel + group * kTileBytes;
    WideSteps steps;
    WideIntegers integers;
    wide_steps_super(tile, steps);
    wide_integers<kUnsigned, wide_top(kFormat)>(steps, integers, scale);
    tile += tile::kSuperQuants;
    for (int c = 0; c < kWideChunks; ++c, tile += tile::chunk_bytes(kBits)) {
      wide_unpack_chunk<kBits, kTileBytes>(tile, integers, c, out);
    }
  }
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
