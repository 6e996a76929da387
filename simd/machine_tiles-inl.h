// What AMX can do at most: tile products in registers.
#if defined(OCTAVO_SIMD_MACHINE_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_MACHINE_TILES_INL_H_
#undef OCTAVO_SIMD_MACHINE_TILES_INL_H_
#else
#define OCTAVO_SIMD_MACHINE_TILES_INL_H_
#endif

#include <type_traits>

#include "quant/float16.h"
#include "simd/hardware_tiles-inl.h"

#if HWY_TARGET == HWY_AVX3_DL
OCTAVO_BEFORE_TILES();
namespace octavo {
namespace HWY_NAMESPACE {

/// Sums in flight: a tile product takes 16 cycles, its result 52.
constexpr int kTileChains = 6;

/// One tile product for each of tiles 0 to 5, of tiles 6 and 7.
template <bool kInt8, class Tiles, int kSum = 0>
HWY_INLINE void tile_round(Tiles& tiles) {
  if constexpr (kInt8) {
    tiles.template dot_int8<kSum, 6, 7>();
  } else {
    tiles.template dot_bf16<kSum, 6, 7>();
  }
  if constexpr (kSum + 1 < kTileChains) tile_round<kInt8, Tiles, kSum + 1>(tiles);
}

/// Adds lane 0 of tiles 0 to 5 to `check`.
template <class Lane, class Tiles, int kSum = 0>
HWY_INLINE void tile_check(Tiles& tiles, float& check) {
  alignas(64) Lane lanes[kTileBytes / sizeof(Lane)];
  tiles.template store<kSum>(lanes, kTileRowBytes);
  check += static_cast<float>(lanes[0]);
  if constexpr (kSum + 1 < kTileChains) tile_check<Lane, Tiles, kSum + 1>(tiles, check);
}

template <bool kInt8, class Tiles>
MachineWork spin_tiles(int64_t rounds) {
  using Lane = std::conditional_t<kInt8, int32_t, float>;
  constexpr int kCols = kInt8 ? 64 : 32;
  Tiles tiles;
  alignas(64) uint16_t ones[kTileBytes / 2];
  std::fill_n(ones, kTileBytes / 2, kInt8 ? uint16_t{0x0101} : f32_to_bf16(1.0f));
  tiles.template load<6>(ones, kTileRowBytes);
  tiles.template load<7>(ones, kTileRowBytes);
  for (int64_t i = 0; i < rounds; ++i) tile_round<kInt8>(tiles);
  float check = 0;
  tile_check<Lane>(tiles, check);
  return {2.0 * kTileChains * kTileRows * kPanelRows * kCols * static_cast<double>(rounds), check};
}

}  // namespace HWY_NAMESPACE
}  // namespace octavo
OCTAVO_AFTER_TILES();
#endif  // HWY_TARGET == HWY_AVX3_DL

#endif  // include guard
