// How keys and values lie on the device: pages of 64 positions, each with all layers, found through
// a table of their addresses. Host and device code.
//
// A layer of a page is its keys and then its values, either of them [kv_heads, 64, head_dim] of
// the cache's type; q8_0: quants [kv_heads, 64, head_dim rounded up to 32] of int8, and then scales
// [kv_heads, 64, that / 32] of float16.
#pragma once

#include "backend/cuda/kernels/types.h"
#include "backend/kv_shape.h"

#if defined(__CUDACC__)
#define OCTAVO_HOST_DEVICE __host__ __device__
#else
#define OCTAVO_HOST_DEVICE
#endif

namespace octavo::cuda {

/// Positions of a page.
inline constexpr int64_t kPage = 64;
inline constexpr int64_t kKvBlock = 32;  ///< values of a q8_0 block

/// One layer of a cache, as kernels see it. By value in a launch.
struct CacheView {
  KvType type = KvType::kF16;
  int32_t kv_heads = 0, head_dim = 0;
  int32_t window = 0;                 ///< keys that a token sees, itself included; 0: all
  int32_t pages = 0;                  ///< of the table: position p is in page p / kPage % pages
  int64_t layer_bytes = 0;            ///< from the beginning of a page to this layer
  std::byte* const* table = nullptr;  ///< [pages] in device memory

  /// Numbers of one head's key or value, with those that fill the last block.
  OCTAVO_HOST_DEVICE constexpr int64_t padded() const {
    return type == KvType::kQ8_0 ? (head_dim + kKvBlock - 1) / kKvBlock * kKvBlock : head_dim;
  }
  /// Bytes of one number: quants without their scales.
  OCTAVO_HOST_DEVICE constexpr int64_t number_bytes() const {
    return type == KvType::kF32 ? 4 : type == KvType::kQ8_0 ? 1 : 2;
  }
  /// Bytes of the numbers of all heads' keys (or values) in a page.
  OCTAVO_HOST_DEVICE constexpr int64_t numbers_bytes() const {
    return kv_heads * kPage * padded() * number_bytes();
  }
  /// Bytes of the scales of all heads' keys (or values) in a page.
  OCTAVO_HOST_DEVICE constexpr int64_t scales_bytes() const {
    return type == KvType::kQ8_0 ? kv_heads * kPage * padded() / kKvBlock * 2 : 0;
  }
  /// Bytes of the keys (or values) in a page.
  OCTAVO_HOST_DEVICE constexpr int64_t side_bytes() const {
    return numbers_bytes() + scales_bytes();
  }
  /// Bytes of one layer in a page.
  OCTAVO_HOST_DEVICE constexpr int64_t bytes() const { return 2 * side_bytes(); }

  // From here on for kernels. `side` 0: keys, 1: values.

  /// The head's numbers [kPage, padded()] in the page that holds `position`.
  OCTAVO_HOST_DEVICE std::byte* numbers(int64_t position, int64_t side, int64_t head) const {
    return table[position / kPage % pages] + layer_bytes + side * side_bytes() +
           head * kPage * padded() * number_bytes();
  }
  /// The head's scales [kPage, padded() / kKvBlock] there, float16; q8_0 alone has them.
  OCTAVO_HOST_DEVICE std::byte* scales(int64_t position, int64_t side, int64_t head) const {
    return table[position / kPage % pages] + layer_bytes + side * side_bytes() + numbers_bytes() +
           head * kPage * padded() / kKvBlock * 2;
  }
};

}  // namespace octavo::cuda
