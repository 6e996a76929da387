#include "simd/machine_units.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace octavo {
namespace {

#if defined(__x86_64__)

bool has_bf16() { return __builtin_cpu_supports("avx512bf16") != 0; }

/// AVX512_BF16's dot products: 16 lanes of two multiply-adds. Highway has no target with it.
__attribute__((target("avx512f,avx512bf16"))) MachineWork spin_bf16(int64_t rounds) {
  constexpr int kChains = 16;  // enough to fill two units of six cycles each
  const auto ones = (__m512bh)_mm512_set1_epi32(0x3F803F80);   // 1.0
  const auto small = (__m512bh)_mm512_set1_epi32(0x38003800);  // 2^-15
  __m512 sum[kChains];
  for (int j = 0; j < kChains; ++j) sum[j] = _mm512_set1_ps(static_cast<float>(j));
  for (int64_t i = 0; i < rounds; ++i) {
    for (__m512& chain : sum) chain = _mm512_dpbf16_ps(chain, ones, small);
  }
  for (int j = 1; j < kChains; ++j) sum[0] = _mm512_add_ps(sum[0], sum[j]);
  return {4.0 * 16 * kChains * static_cast<double>(rounds), _mm512_cvtss_f32(sum[0])};
}

#endif

}  // namespace

std::vector<MachineUnit> machine_units(const Kernels& kernels) {
  std::vector<MachineUnit> units = {{"f32", kernels.spin_float}, {"int8", kernels.spin_int8}};
#if defined(__x86_64__)
  if (has_bf16()) units.push_back({"bf16", spin_bf16});
#endif
  if (kernels.spin_amx_int8 != nullptr) units.push_back({"amx-int8", kernels.spin_amx_int8});
  if (kernels.spin_amx_bf16 != nullptr) units.push_back({"amx-bf16", kernels.spin_amx_bf16});
  return units;
}

}  // namespace octavo
