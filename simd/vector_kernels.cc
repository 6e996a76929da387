// Compiles every kernel once for each instruction set and collects the tables.
#include "simd/vector_tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/vector_kernels.cc"
#include "hwy/foreach_target.h"  // NOLINT: includes this file again for each target
// Highway's own headers come after foreach_target.
#include "hwy/highway.h"
#include "simd/attention-inl.h"
#include "simd/machine-inl.h"
#include "simd/matmul_float-inl.h"
#include "simd/matmul_q8-inl.h"
#include "simd/matmul_wide-inl.h"
#include "simd/row_ops-inl.h"
#include "simd/target_name.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {

const Kernels* table() {
#if OCTAVO_VECTOR_TARGET
  static constexpr Kernels kTable = {.name = target_name(HWY_TARGET),
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
                                     .attend = attend,
                                     .read_memory = read_memory,
                                     .spin_float = spin_float,
                                     .spin_int8 = spin_int8};
  return &kTable;
#else
  return nullptr;  // the emulated baseline: the scalar twin serves there
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace octavo {

std::vector<const Kernels*> vector_tables() {
  using Table = const Kernels* (*)();
  struct Candidate {
    int64_t target;
    Table table;
  };
  const Candidate candidates[] = {
#if HWY_ARCH_X86
    {HWY_AVX3_DL, HWY_CHOOSE_AVX3_DL(table)},
    {HWY_AVX3, HWY_CHOOSE_AVX3(table)},
    {HWY_AVX2, HWY_CHOOSE_AVX2(table)},
    {HWY_SSE4, HWY_CHOOSE_SSE4(table)},
    {HWY_SSSE3, HWY_CHOOSE_SSSE3(table)},
#elif HWY_ARCH_ARM
    {HWY_NEON, HWY_CHOOSE_NEON(table)},
#endif
  };
  std::vector<const Kernels*> tables;
  for (const Candidate& candidate : candidates) {
    const bool runs = (hwy::SupportedTargets() & candidate.target) != 0;
    if (!runs || candidate.table == nullptr) continue;
    if (const Kernels* found = candidate.table()) tables.push_back(found);
  }
  return tables;
}

}  // namespace octavo
#endif  // HWY_ONCE
