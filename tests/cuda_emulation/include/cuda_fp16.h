// Stands in for CUDA's header of this name.
#pragma once

#include <cuda_runtime.h>

#include "quant/float16.h"

struct __half {
  uint16_t bits = 0;
  operator float() const { return octavo::f16_to_f32(bits); }
};
struct alignas(4) __half2 {
  __half x, y;
};
using half = __half;
using half2 = __half2;

inline float __half2float(__half value) { return octavo::f16_to_f32(value.bits); }
inline __half __float2half_rn(float value) { return {octavo::f32_to_f16(value)}; }
inline __half __float2half(float value) { return {octavo::f32_to_f16(value)}; }
inline __half __ushort_as_half(unsigned short bits) { return {bits}; }
inline unsigned short __half_as_ushort(__half value) { return value.bits; }
inline __half2 __floats2half2_rn(float x, float y) { return {__float2half(x), __float2half(y)}; }
inline __half2 __halves2half2(__half x, __half y) { return {x, y}; }
inline float2 __half22float2(__half2 pair) { return {__half2float(pair.x), __half2float(pair.y)}; }
inline __half __low2half(__half2 pair) { return pair.x; }
inline __half __high2half(__half2 pair) { return pair.y; }
inline float __low2float(__half2 pair) { return __half2float(pair.x); }
inline float __high2float(__half2 pair) { return __half2float(pair.y); }
