// Compiles every kernel once for each instruction set and collects the tables.
#include "simd/vector_tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/vector_kernels.cc"
#include "hwy/foreach_target.h"  // NOLINT: includes this file again for each target
// Highway's own headers come after foreach_target.
#include "hwy/highway.h"
#include "simd/cpu_features.h"
#include "simd/kernel_table-inl.h"

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
    {HWY_AVX2, cpu_features().avx_vnni ? dot_product_table : nullptr},
    {HWY_AVX2, HWY_CHOOSE_AVX2(table)},
    {HWY_SSE4, HWY_CHOOSE_SSE4(table)},
    {HWY_SSSE3, HWY_CHOOSE_SSSE3(table)},
#elif HWY_ARCH_ARM
    {HWY_NEON, cpu_features().neon_dotprod ? dot_product_table : nullptr},
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
