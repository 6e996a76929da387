// The tables with AMX: that of AVX-512 VNNI, with products by tiles.
#if defined(OCTAVO_SIMD_AMX_TABLE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_AMX_TABLE_INL_H_
#undef OCTAVO_SIMD_AMX_TABLE_INL_H_
#else
#define OCTAVO_SIMD_AMX_TABLE_INL_H_
#endif

#include "simd/attention_bf16_tiles-inl.h"
#include "simd/kernel_table-inl.h"
#include "simd/machine_tiles-inl.h"
#include "simd/matmul_bf16_tiles-inl.h"
#include "simd/matmul_wide_tiles-inl.h"

#if HWY_TARGET == HWY_AVX3_DL
HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {

template <class Tiles>
Kernels tile_table(const char* name) {
  Kernels kernels = *table();
  kernels.name = name;
  kernels.matmul_wide = matmul_wide_tiles<Tiles>;
  kernels.matmul_bf16 = matmul_bf16<Tiles>;
  kernels.split_bf16 = split_bf16;
  kernels.attend_tile = attend_bf16_tile<Tiles>;
  kernels.spin_amx_int8 = spin_tiles<true, Tiles>;
  kernels.spin_amx_bf16 = spin_tiles<false, Tiles>;
  return kernels;
}

inline const Kernels* amx_table() {
  static const Kernels kTable = tile_table<HardwareTiles>("amx");
  return &kTable;
}

inline const Kernels* emulated_amx_table() {
  static const Kernels kTable = tile_table<EmulatedTiles>("amx-emulated");
  return &kTable;
}
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET == HWY_AVX3_DL

#endif  // include guard
