// Compiles every kernel once for each instruction set and collects the tables.
#include "simd/vector_tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/vector_kernels.cc"
#include "hwy/foreach_target.h"  // NOLINT: includes this file again for each target
// Highway's own headers come after foreach_target.
#include "hwy/highway.h"
#include "simd/amx_table-inl.h"
#include "simd/cpu_features.h"
#include "simd/kernel_table-inl.h"

#if HWY_ONCE
namespace octavo {
namespace {

using Table = const Kernels* (*)();

/// Null where the machine cannot run the target, or the compiler did not build it.
const Kernels* if_supported(int64_t target, Table table) {
  return (hwy::SupportedTargets() & target) != 0 && table != nullptr ? table() : nullptr;
}

}  // namespace

std::vector<const Kernels*> vector_tables() {
  const CpuFeatures& features = cpu_features();
  const Kernels* const candidates[] = {
#if HWY_ARCH_X86
    features.amx ? unchecked_amx_kernels() : nullptr,
    if_supported(HWY_AVX3_DL, HWY_CHOOSE_AVX3_DL(table)),
    if_supported(HWY_AVX3, HWY_CHOOSE_AVX3(table)),
    if_supported(HWY_AVX2, features.avx_vnni ? dot_product_table : nullptr),
    if_supported(HWY_AVX2, HWY_CHOOSE_AVX2(table)),
    if_supported(HWY_SSE4, HWY_CHOOSE_SSE4(table)),
    if_supported(HWY_SSSE3, HWY_CHOOSE_SSSE3(table)),
#elif HWY_ARCH_ARM
    if_supported(HWY_NEON, features.neon_dotprod ? dot_product_table : nullptr),
    if_supported(HWY_NEON, HWY_CHOOSE_NEON(table)),
#endif
  };
  std::vector<const Kernels*> tables;
  for (const Kernels* candidate : candidates) {
    if (candidate != nullptr) tables.push_back(candidate);
  }
  return tables;
}

#if HWY_ARCH_X86
const Kernels* emulated_amx_kernels() {
  return if_supported(HWY_AVX3_DL, HWY_CHOOSE_AVX3_DL(emulated_amx_table));
}
const Kernels* unchecked_amx_kernels() {
  return if_supported(HWY_AVX3_DL, HWY_CHOOSE_AVX3_DL(amx_table));
}
#else
const Kernels* emulated_amx_kernels() { return nullptr; }
const Kernels* unchecked_amx_kernels() { return nullptr; }
#endif

}  // namespace octavo
#endif  // HWY_ONCE
