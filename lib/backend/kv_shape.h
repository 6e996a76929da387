// What keys and values are kept as: numbers alone, for every backend and for kernels.
#pragma once

#include <cstdint>

namespace octavo {

/// How keys and values are kept.
enum class KvType : uint8_t { kF32, kF16, kBF16, kQ8_0 };

/// Bytes of one head's key or value, as KvCache::read gives it: floats, or q8_0's blocks of 32
/// values in 34 bytes, of which the last may be part empty.
constexpr int64_t kv_head_bytes(KvType type, int64_t head_dim) {
  if (type == KvType::kQ8_0) return (head_dim + 31) / 32 * 34;
  return head_dim * (type == KvType::kF32 ? 4 : 2);
}

struct KvShape {
  int64_t layers = 0, kv_heads = 0, head_dim = 0;
  int64_t context = 0;  ///< positions that may be written
  int64_t window = 0;   ///< keys that a token sees, itself included; 0: all before it
  KvType type = KvType::kF16;
};

/// Bytes of one position in one layer: keys and values of all heads.
constexpr int64_t kv_entry_bytes(const KvShape& shape) {
  return 2 * shape.kv_heads * kv_head_bytes(shape.type, shape.head_dim);
}

}  // namespace octavo
