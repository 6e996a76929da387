// How the cache keeps 64 positions of one kv head: so that no product over it needs a horizontal
// sum or a transposition. Single source of the order, as quant/tile.h is for weights.
//
//   keys    floats  [4 panels][head_dim][16 positions]
//           q8_0    [4 panels][tiles of 64 dimensions]: 64 rows of a packed q8_0 weight
//   values  floats  [strips of 32 dimensions][64 positions][32], zeros after the last dimension
//           q8_0    [strips]: f16 scales [64 positions], then bytes
//                   [16][32 dimensions][4 positions that are 16 apart]
//
// A position that was never written is all zero bits, which stand for finite numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "quant/format.h"

namespace octavo {

enum class CacheFormat : uint8_t { kF32, kF16, kBF16, kQ8_0 };

/// Positions of a block, and dimensions of a strip of values.
inline constexpr int64_t kTileKeys = 64, kValueStrip = 32;

/// 64 positions of one kv head; the first is a multiple of 64.
struct KvBlock {
  const std::byte* keys;    ///< kv_keys_bytes()
  const std::byte* values;  ///< kv_values_bytes()
};

inline constexpr int64_t kv_value_strips(int64_t head_dim) {
  return (head_dim + kValueStrip - 1) / kValueStrip;
}
inline constexpr int64_t kv_float_bytes(CacheFormat format) {
  return format == CacheFormat::kF32 ? 4 : 2;
}
/// Bytes of one position's key or value outside a block: floats in a row, or BlockQ8_0s.
inline constexpr int64_t cache_entry_bytes(CacheFormat format, int64_t head_dim) {
  return format == CacheFormat::kQ8_0 ? 34 * kv_value_strips(head_dim)
                                      : head_dim * kv_float_bytes(format);
}
inline constexpr int64_t kv_keys_bytes(CacheFormat format, int64_t head_dim) {
  return format == CacheFormat::kQ8_0 ? (head_dim + 63) / 64 * 4 * 1088
                                      : kTileKeys * head_dim * kv_float_bytes(format);
}
inline constexpr int64_t kv_values_bytes(CacheFormat format, int64_t head_dim) {
  return kv_value_strips(head_dim) * kTileKeys *
         (format == CacheFormat::kQ8_0 ? 34 : kValueStrip * kv_float_bytes(format));
}

/// q8_0 values: bytes of a strip, where its quants begin, and the byte of dimension i (0..31) of
/// position `slot`. Four vectors of 16 weights then make the other side of a dot product over
/// positions with shifts alone.
inline constexpr int64_t kQ8StripBytes = 34 * kTileKeys, kQ8StripQuants = 2 * kTileKeys;
inline constexpr int64_t q8_value_at(int64_t slot, int64_t i) {
  return kQ8StripQuants + (slot % 16 * kValueStrip + i) * 4 + slot / 16;
}

/// An entry into position `slot` of a block's keys or values, and back.
void put_key(CacheFormat format, int64_t head_dim, const std::byte* entry, int64_t slot,
             std::byte* keys);
void put_value(CacheFormat format, int64_t head_dim, const std::byte* entry, int64_t slot,
               std::byte* values);
void get_key(CacheFormat format, int64_t head_dim, const std::byte* keys, int64_t slot,
             std::byte* entry);
void get_value(CacheFormat format, int64_t head_dim, const std::byte* values, int64_t slot,
               std::byte* entry);
/// The numbers of an entry; out [head_dim].
void entry_to_floats(CacheFormat format, const std::byte* entry, std::span<float> out);

}  // namespace octavo
