#include "simd/cpu_features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace octavo {
namespace {

CpuFeatures detect() {
  CpuFeatures features;
#if defined(__x86_64__)
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  // Leaf 7, subleaf 1. That the system saves the registers goes with Highway's AVX2.
  if (__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0) features.avx_vnni = (eax >> 4 & 1) != 0;
#elif defined(__ARM_FEATURE_DOTPROD)
  features.neon_dotprod = true;
#elif defined(__aarch64__) && defined(__linux__)
  // The compiler may use the rest of Armv8.2 where it uses the dot product.
  constexpr unsigned long kNeeded = HWCAP_ASIMDDP | HWCAP_ASIMDRDM | HWCAP_ATOMICS;
  features.neon_dotprod = (getauxval(AT_HWCAP) & kNeeded) == kNeeded;
#endif
  return features;
}

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect();
  return features;
}

}  // namespace octavo
