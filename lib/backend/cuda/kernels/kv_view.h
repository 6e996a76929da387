// Keys and values on the device: pages of 64 positions, found through a table in device memory.
//
//   page   [layers][kv_heads][keys, values]
//   keys   floats  [64 positions][row]
//          q8_0    bytes [64][row], then f16 scales [64][row / 32]
//   values as keys
//
// `row` is head_dim rounded up to 32; the dimensions behind it are zeros. A position that was never
// written is all zero bits: a page is cleared when it is made.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/kv_shape.h"

namespace octavo::cuda {

/// Positions of a page, and dimensions that share a scale in a q8_0 cache.
inline constexpr int kKvPage = 64, kKvStrip = 32;

constexpr int kv_row(int64_t head_dim) {
  return static_cast<int>((head_dim + kKvStrip - 1) / kKvStrip * kKvStrip);
}
/// Bytes of one head's keys, or its values, in a page: a multiple of 16.
constexpr int64_t kv_side_bytes(KvType type, int row) {
  if (type == KvType::kQ8_0) return int64_t{kKvPage} * (row + row / kKvStrip * 2);
  return int64_t{kKvPage} * row * (type == KvType::kF32 ? 4 : 2);
}
/// Bytes of one layer in a page.
constexpr int64_t kv_layer_bytes(KvType type, int row, int64_t kv_heads) {
  return 2 * kv_heads * kv_side_bytes(type, row);
}

/// One layer of a cache, as a kernel takes it.
struct KvView {
  std::byte* const*
      pages;             ///< device memory [page_count]; position p is in page p / 64 % page_count
  int64_t layer_offset;  ///< of the layer in a page
  int64_t side_bytes;    ///< kv_side_bytes
  KvType type;
  int32_t page_count;
  int32_t kv_heads, head_dim, row;
  int32_t window;  ///< keys that a token sees, itself included; 0: all
  bool operator==(const KvView&) const = default;
};

}  // namespace octavo::cuda
