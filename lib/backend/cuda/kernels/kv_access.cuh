// Reading and writing rows of the cache on the device.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "backend/cuda/kernels/instructions.cuh"
#include "backend/cuda/kernels/kv_view.h"

namespace octavo::cuda {

__device__ inline float half_bits_to_float(uint32_t bits) {
  return __half2float(__ushort_as_half(static_cast<unsigned short>(bits)));
}
__device__ inline uint32_t float_to_half_bits(float x) {
  return __half_as_ushort(__float2half_rn(x));
}
__device__ inline uint32_t float_to_bf16_bits(float x) {
  return __bfloat16_as_ushort(__float2bfloat16_rn(x));
}

/// The keys of `head` in the page of `position`; its values lie side_bytes behind them.
__device__ inline std::byte* kv_keys(const KvView& kv, int head, int position) {
  // 32 bits: a 64-bit remainder takes as long as loading the key.
  const unsigned page =
      static_cast<unsigned>(position) / kKvPage % static_cast<unsigned>(kv.page_count);
  return kv.pages[page] + kv.layer_offset + 2 * head * kv.side_bytes;
}

/// Where the quants of a position lie in a q8_0 side, and its scale of a strip.
__device__ inline int64_t kv_scale_at(int row, int slot, int strip) {
  return int64_t{kKvPage} * row + (slot * (row / kKvStrip) + strip) * 2;
}

/// Dimensions [8 * chunk, 8 * chunk + 8) of a position, as floats: 16 bytes in one load (q8_0: 8).
template <KvType kType>
__device__ inline void load_eight(const std::byte* side, int row, int slot, int chunk,
                                  float (&out)[8]) {
  if constexpr (kType == KvType::kF32) {
    const float4* from = reinterpret_cast<const float4*>(side) + (slot * row + 8 * chunk) / 4;
    const float4 a = from[0], b = from[1];
    out[0] = a.x, out[1] = a.y, out[2] = a.z, out[3] = a.w;
    out[4] = b.x, out[5] = b.y, out[6] = b.z, out[7] = b.w;
  } else if constexpr (kType == KvType::kQ8_0) {
    const int2 quants = *reinterpret_cast<const int2*>(side + slot * row + 8 * chunk);
    const float scale = half_bits_to_float(
        *reinterpret_cast<const uint16_t*>(side + kv_scale_at(row, slot, chunk / 4)));
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int four = i < 4 ? quants.x : quants.y;
      out[i] = scale * static_cast<float>(static_cast<int8_t>(four >> (i % 4 * 8)));
    }
  } else {
    const uint4 bits = *reinterpret_cast<const uint4*>(side + (slot * row + 8 * chunk) * 2);
    const uint32_t pairs[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if constexpr (kType == KvType::kF16) {
        out[2 * i] = half_bits_to_float(pairs[i] & 0xFFFFu);
        out[2 * i + 1] = half_bits_to_float(pairs[i] >> 16);
      } else {
        out[2 * i] = __uint_as_float(pairs[i] << 16);
        out[2 * i + 1] = __uint_as_float(pairs[i] & 0xFFFF0000u);
      }
    }
  }
}

/// One dimension of a position.
__device__ inline float load_one(KvType type, const std::byte* side, int row, int slot, int d) {
  const int at = slot * row + d;
  if (type == KvType::kF32) return reinterpret_cast<const float*>(side)[at];
  if (type == KvType::kQ8_0) {
    const auto scale = *reinterpret_cast<const uint16_t*>(side + kv_scale_at(row, slot, d / 32));
    return half_bits_to_float(scale) *
           static_cast<float>(reinterpret_cast<const int8_t*>(side)[at]);
  }
  const uint32_t bits = reinterpret_cast<const uint16_t*>(side)[at];
  return type == KvType::kF16 ? half_bits_to_float(bits) : __uint_as_float(bits << 16);
}

/// Stores values [row] (shared memory, zeros from head_dim on) as position `slot`, all threads of
/// the block together, whose number is a multiple of 32. q8_0 as the CPU's cache rounds it.
__device__ inline void store_row(KvType type, const float* values, std::byte* side, int row,
                                 int slot) {
  for (int d = static_cast<int>(threadIdx.x); d < row; d += static_cast<int>(blockDim.x)) {
    const float x = values[d];
    const int at = slot * row + d;
    if (type == KvType::kF32) {
      reinterpret_cast<float*>(side)[at] = x;
    } else if (type == KvType::kQ8_0) {  // a strip is a warp's
      const float largest = warp_max(fabsf(x));
      const uint32_t bits = float_to_half_bits(fminf(largest / 127.0f, 65504.0f));
      const float scale = half_bits_to_float(bits), inverse = scale > 0 ? 1.0f / scale : 0.0f;
      const float quant = fminf(fmaxf(rintf(x * inverse), -127.0f), 127.0f);
      reinterpret_cast<int8_t*>(side)[at] = static_cast<int8_t>(quant);
      if (d % kKvStrip == 0) {
        *reinterpret_cast<uint16_t*>(side + kv_scale_at(row, slot, d / kKvStrip)) =
            static_cast<uint16_t>(bits);
      }
    } else {
      reinterpret_cast<uint16_t*>(side)[at] = static_cast<uint16_t>(
          type == KvType::kF16 ? float_to_half_bits(x) : float_to_bf16_bits(x));
    }
  }
}

/// The oldest position that the token at `position` sees.
__device__ inline int oldest_seen(int window, int position) {
  return window > 0 && position >= window ? position - window + 1 : 0;
}

}  // namespace octavo::cuda
