// What users call the instruction sets, as in OCTAVO_ISA.
#pragma once

#include <cstdint>

#include "hwy/detect_targets.h"

namespace octavo {

/// `dot_product`: with the instructions of dot_product_kernels.cc.
constexpr const char* target_name(int64_t target, bool dot_product) {
  switch (target) {
    case HWY_AVX3_DL:
      return "avx512-vnni";
    case HWY_AVX3:
      return "avx512";
    case HWY_AVX2:
      return dot_product ? "avx2-vnni" : "avx2";
    case HWY_SSE4:
      return "sse4";
    case HWY_SSSE3:
      return "ssse3";
    case HWY_NEON:
      return dot_product ? "neon-dotprod" : "neon";
    default:
      return "emulated";
  }
}

}  // namespace octavo
