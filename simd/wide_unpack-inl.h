// A panel's group of 256 columns of 4-bit weights as int8 with one scale a row (simd/wide.h), in
// lines of 16 rows x 4 columns: the order of the dot products and of AMX's B tiles.
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
  constexpr int kTileBytes = tile::kBlockQuants + tile::kNibbleLines;
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

/// Both in units of 1/256 of the group's scale and twice in a lane, for the even and the odd column
/// of a pair; `bias` also rounds and, for unsigned bytes, adds 128.
struct WideIntegers {
  HWY_ALIGN int32_t step[kWideBlocks][kPanelRows];
  HWY_ALIGN int32_t bias[kWideBlocks][kPanelRows];
};

HWY_INLINE VI twice(VI value) {
  return hn::Or(hn::And(value, hn::Set(DI(), 0xFFFF)), hn::ShiftLeft<16>(value));
}

template <bool kUnsigned>
HWY_INLINE void wide_integers(const WideSteps& in, WideIntegers& out, float* scale) {
  for (int v = 0; v < kVectors; ++v) {
    const int r = v * kLanes;
    VF top = hn::Zero(DF());
    for (int j = 0; j < kWideBlocks; ++j) {
      const VF offset = hn::Load(DF(), in.offset[j] + r);
      const VF largest = hn::MulSub(hn::Set(DF(), 15.0f), hn::Load(DF(), in.step[j] + r), offset);
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

/// High bytes of step * nibble + bias for the nibbles in the even and odd bytes of 16-bit lanes.
HWY_INLINE VU16 wide_bytes(VU16 even, VU16 odd, VU16 step, VU16 bias) {
  const VU16 e = hn::Add(hn::Mul(even, step), bias);
  const VU16 o = hn::Add(hn::Mul(odd, step), bias);
  return hn::OrAnd(hn::ShiftRight<8>(e), o, hn::Set(DU16(), 0xFF00));
}

/// One chunk of 64 columns of nibbles: 8 lines to 16, blocks 2 * chunk and 2 * chunk + 1.
HWY_INLINE void wide_unpack_chunk(const std::byte* lines, const WideIntegers& integers, int chunk,
                                  uint8_t* out) {
  const VU16 mask = hn::Set(DU16(), 0x000F);
  for (int v = 0; v < kVectors; ++v) {
    const int r = v * kLanes;
    const auto load = [&](const int32_t* lanes) {
      return hn::BitCast(DU16(), hn::Load(DI(), lanes + r));
    };
    const VU16 low_step = load(integers.step[2 * chunk]), low_bias = load(integers.bias[2 * chunk]);
    const VU16 high_step = load(integers.step[2 * chunk + 1]);
    const VU16 high_bias = load(integers.bias[2 * chunk + 1]);
    for (int g = 0; g < 8; ++g) {
      const auto* line = reinterpret_cast<const uint8_t*>(lines) + kWideLineBytes * g + 4 * r;
      // The same lines of the next group, which comes after all rows of this one.
      if (v == 0) hwy::Prefetch(line + kWideCols * kPanelRows * 9 / 16);
      const VU16 bytes = hn::BitCast(DU16(), hn::LoadU(DU8(), line));
      const VU16 odd = hn::ShiftRight<8>(bytes);
      const VU16 low = wide_bytes(hn::And(bytes, mask), hn::And(odd, mask), low_step, low_bias);
      const VU16 high = wide_bytes(hn::And(hn::ShiftRight<4>(bytes), mask), hn::ShiftRight<4>(odd),
                                   high_step, high_bias);
      uint8_t* low_line = out + kWideLineBytes * (16 * chunk + g) + 4 * r;
      hn::Store(hn::BitCast(DU8(), low), DU8(), low_line);
      hn::Store(hn::BitCast(DU8(), high), DU8(), low_line + 8 * kWideLineBytes);
    }
  }
}

/// Group `group` of one panel. out [kWideLines][kPanelRows][4] (aligned), scale [kPanelRows].
template <Format kFormat, bool kUnsigned>
HWY_NOINLINE void wide_unpack(const std::byte* panel, int64_t tiles, int64_t group, uint8_t* out,
                              float* scale) {
  constexpr int kChunks = kWideCols / 64;
  const FormatTraits& format = traits(kFormat);
  WideSteps steps;
  WideIntegers integers;
  const std::byte* lines;
  int64_t chunks = kChunks, stride = tile::kNibbleLines;
  if constexpr (kFormat == Format::kQ4_0) {
    const std::byte* tile = panel + group * kChunks * format.tile_bytes;
    chunks = std::min<int64_t>(kChunks, tiles - group * kChunks);
    wide_steps_q4_0(tile, chunks, steps);
    lines = tile + tile::kBlockQuants;
    stride = format.tile_bytes;
  } else {
    const std::byte* tile = panel + group * format.tile_bytes;
    SuperScales scales;
    unpack_super_scales(tile, scales);
    std::memcpy(steps.step, scales.scale, sizeof steps.step);
    std::memcpy(steps.offset, scales.min, sizeof steps.offset);
    lines = tile + tile::kSuperQuants;
  }
  wide_integers<kUnsigned>(steps, integers, scale);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    wide_unpack_chunk(lines + chunk * stride, integers, chunk, out);
  }
  const int64_t used = chunks * 16 * kWideLineBytes;
  std::memset(out + used, 0, static_cast<size_t>(kWidePanelBytes - used));
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
