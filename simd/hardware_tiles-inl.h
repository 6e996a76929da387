// The tile registers of AMX, as simd/tiles.h describes them, and how the kernels divide them. Only
// for the target with AVX-512 VNNI, which every machine with AMX has.
#if defined(OCTAVO_SIMD_HARDWARE_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_HARDWARE_TILES_INL_H_
#undef OCTAVO_SIMD_HARDWARE_TILES_INL_H_
#else
#define OCTAVO_SIMD_HARDWARE_TILES_INL_H_
#endif

#include "simd/common-inl.h"
#include "simd/tiles.h"

#if HWY_TARGET == HWY_AVX3_DL
#ifndef OCTAVO_BEFORE_TILES
#define OCTAVO_BEFORE_TILES() \
  HWY_PUSH_ATTRIBUTES(OCTAVO_VNNI_TARGET_STR ",amx-tile,amx-int8,amx-bf16")
#define OCTAVO_AFTER_TILES() HWY_POP_ATTRIBUTES
#endif

OCTAVO_BEFORE_TILES();
namespace octavo {
namespace HWY_NAMESPACE {

/// In assembly, because gcc 12's intrinsics do not say which memory they read. Tiles are this
/// thread's as long as the object lives.
class HardwareTiles {
 public:
  HWY_INLINE HardwareTiles() { asm volatile("ldtilecfg %0" ::"m"(kTileConfig)); }
  /// Tiles in use make context switches slower and keep the core from deep sleep.
  HWY_INLINE ~HardwareTiles() { asm volatile("tilerelease"); }
  HardwareTiles(const HardwareTiles&) = delete;
  HardwareTiles& operator=(const HardwareTiles&) = delete;

  template <int kTile>
  HWY_INLINE void zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
  }
  template <int kTile>
  HWY_INLINE void load(const void* from, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kTile) : "memory");
  }
  template <int kTile>
  HWY_INLINE void store(void* to, int64_t stride) const {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(kTile) : "memory");
  }
  template <int kSum, int kA, int kB>
  HWY_INLINE void dot_int8() {
    asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kA), "i"(kB));
  }
  template <int kSum, int kA, int kB>
  HWY_INLINE void dot_bf16() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kA), "i"(kB));
  }
};

/// Blocks of 16 rows and panels of 16 outputs that go together. Their sums, [32 rows][32 outputs]
/// of 4 bytes, are in tiles 0 to 3; activations come to tiles 4 and 5, weights to 6 and 7.
constexpr int kPairBlocks = 2, kPairPanels = 2;
constexpr int kPairWidth = kPairPanels * kPanelRows;
template <int kBlock, int kPanel>
constexpr int kSumTile = kPairPanels* kBlock + kPanel;
template <int kBlock>
constexpr int kRowTile = 4 + kBlock;
template <int kPanel>
constexpr int kWeightTile = 6 + kPanel;

/// Calls visit.template operator()<block, panel>() for the sums that kBlocks and kPanels (1 or 2)
/// have.
template <int kBlocks, int kPanels, class Visit>
HWY_INLINE void for_sum_tiles(const Visit& visit) {
  visit.template operator()<0, 0>();
  if constexpr (kPanels == 2) visit.template operator()<0, 1>();
  if constexpr (kBlocks == 2) visit.template operator()<1, 0>();
  if constexpr (kBlocks == 2 && kPanels == 2) visit.template operator()<1, 1>();
}

template <int kBlocks, int kPanels, class Tiles>
HWY_INLINE void zero_sums(Tiles& tiles) {
  for_sum_tiles<kBlocks, kPanels>(
      [&]<int kB, int kP>() { tiles.template zero<kSumTile<kB, kP>>(); });
}

/// Where the sums of a block and panel begin in [32][width] lanes of 4 bytes.
constexpr int64_t sum_at(int block, int panel, int64_t width) {
  return block * kTileRows * width + panel * kPanelRows;
}

template <int kBlocks, int kPanels, class Tiles, class Lane>
HWY_INLINE void store_sums(const Tiles& tiles, Lane* to, int64_t width = kPairWidth) {
  for_sum_tiles<kBlocks, kPanels>([&]<int kB, int kP>() {
    tiles.template store<kSumTile<kB, kP>>(to + sum_at(kB, kP, width), 4 * width);
  });
}

template <int kBlocks, int kPanels, class Tiles, class Lane>
HWY_INLINE void load_sums(Tiles& tiles, const Lane* from, int64_t width = kPairWidth) {
  for_sum_tiles<kBlocks, kPanels>([&]<int kB, int kP>() {
    tiles.template load<kSumTile<kB, kP>>(from + sum_at(kB, kP, width), 4 * width);
  });
}

/// The sums of panels p and p + 1, as far as the panel is before `end` and the outputs exist.
/// sums [rows][kPairWidth]; y: the first of the rows.
HWY_INLINE void copy_sums(const float* sums, int64_t rows, int64_t p, int64_t end, int64_t out_rows,
                          float* y, int64_t y_stride) {
  const int64_t n = p * kPanelRows;
  const int64_t count = std::min({int64_t{kPairWidth}, end * kPanelRows - n, out_rows - n});
  for (int64_t r = 0; r < rows; ++r) {
    std::copy_n(sums + r * kPairWidth, count, y + r * y_stride + n);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace octavo
OCTAVO_AFTER_TILES();
#endif  // HWY_TARGET == HWY_AVX3_DL

#endif  // include guard
