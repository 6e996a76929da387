// What users call the instruction sets, as in OCTAVO_ISA.
#pragma once

#include <cstdint>

#include "hwy/detect_targets.h"

namespace octavo {

constexpr const char* target_name(int64_t target) {
  switch (target) {
    case HWY_AVX3_DL:
      return "avx512-vnni";
    case HWY_AVX3:
      return "avx512";
    case HWY_AVX2:
      return "avx2";
    case HWY_SSE4:
      return "sse4";
    case HWY_SSSE3:
      return "ssse3";
    case HWY_NEON:
      return "neon";
    default:
      return "emulated";
  }
}

}  // namespace octavo
