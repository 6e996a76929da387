#include "simd/cpu_features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include <cstdint>

namespace octavo {
namespace {

#if defined(__x86_64__) && defined(__linux__)

bool processor_has_amx() {
  uint32_t a = 0, b = 0, c = 0, d = 0;
  constexpr uint32_t kXsave = 1u << 27;  // OSXSAVE of leaf 1: xgetbv may be used
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kXsave) == 0) return false;
  constexpr uint32_t kAmx = 1u << 22 | 1u << 24 | 1u << 25;  // bf16, tiles, int8
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kAmx) == kAmx;
}

bool system_lends_amx() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  constexpr uint32_t kTileState = 1u << 17 | 1u << 18;  // configuration and data
  if ((low & kTileState) != kTileState) return false;
  // Only processes that ask get the tiles' 8 KB of state; the leave is for all their threads.
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM of asm/prctl.h
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

#endif

CpuFeatures detect() {
  CpuFeatures features;
#if defined(__x86_64__)
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  // Leaf 7, subleaf 1. That the system saves the registers goes with Highway's AVX2.
  if (__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0) features.avx_vnni = (eax >> 4 & 1) != 0;
#if defined(__linux__)
  features.amx = processor_has_amx() && system_lends_amx();
#endif
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
