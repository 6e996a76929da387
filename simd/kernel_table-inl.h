// All vector kernels of one target and their table. A new *-inl.h is included here and nowhere
// else: vector_kernels.cc and dot_product_kernels.cc then compile it for every table.
#if defined(OCTAVO_SIMD_KERNEL_TABLE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_KERNEL_TABLE_INL_H_
#undef OCTAVO_SIMD_KERNEL_TABLE_INL_H_
#else
#define OCTAVO_SIMD_KERNEL_TABLE_INL_H_
#endif

#include "simd/attention_pairs-inl.h"
#include "simd/attention_tiles-inl.h"
#include "simd/machine-inl.h"
#include "simd/matmul_float-inl.h"
#include "simd/matmul_q8-inl.h"
#include "simd/matmul_wide-inl.h"
#include "simd/row_ops-inl.h"
#include "simd/target_name.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {

inline const Kernels* table() {
#if OCTAVO_VECTOR_TARGET
  static constexpr Kernels kTable = {
    .name = target_name(HWY_TARGET, OCTAVO_DOT_PRODUCT),
    .matmul_float = matmul_float,
    .matmul_q8 = matmul_q8,
    .quantize_q8 = quantize_q8,
    .matmul_wide = kHasWide ? matmul_wide : nullptr,
    .quantize_wide = kHasWide ? quantize_wide : nullptr,
    .rmsnorm = rmsnorm,
    .swiglu = swiglu,
    .axpy = axpy,
    .rope = rope,
    .to_cache = to_cache,
#if OCTAVO_HAS_PAIRS
    .attend_tile = attend_pairs,
#else
    .attend_tile = attend_tile,
#endif
    .read_memory = read_memory,
    .spin_float = spin_float,
    .spin_int8 = spin_int8
  };
  return &kTable;
#else
  return nullptr;  // the emulated baseline: the scalar twin serves there
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
