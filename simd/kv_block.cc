#include "simd/kv_block.h"

#include <algorithm>
#include <cstring>

#include "quant/block.h"
#include "quant/float16.h"
#include "quant/tile.h"

namespace octavo {
namespace {

/// Calls copy.template operator()<bytes>(offset in the entry, offset in the block's keys) for each
/// part of a float key.
template <int kBytes, class Copy>
void for_float_key(int64_t head_dim, int64_t slot, const Copy& copy) {
  const int64_t panel = slot / kPanelRows * head_dim;
  for (int64_t k = 0; k < head_dim; ++k) {
    copy.template operator()<kBytes>(k * kBytes,
                                     ((panel + k) * kPanelRows + slot % kPanelRows) * kBytes);
  }
}

/// The same of a q8_0 key: scales are parts of 2 bytes, quants of 4, with 128 added to each.
template <class Copy>
void for_q8_key(int64_t head_dim, int64_t slot, const Copy& copy) {
  const int64_t tiles = (head_dim + 63) / 64;
  const int row = static_cast<int>(slot % kPanelRows);
  for (int64_t b = 0; b < kv_value_strips(head_dim); ++b) {
    const int64_t at = (slot / kPanelRows * tiles + b / 2) * (tile::kBlockQuants + 1024);
    const int half = static_cast<int>(b % 2);
    copy.template operator()<2>(34 * b, at + tile::scale_at(row, half));
    for (int i = 0; i < 32; i += 4) {
      copy.template operator()<4>(34 * b + 2 + i,
                                  at + tile::kBlockQuants + tile::line_at(row, 32 * half + i));
    }
  }
}

template <class Copy>
void for_key(CacheFormat format, int64_t head_dim, int64_t slot, const Copy& copy) {
  if (format == CacheFormat::kQ8_0) return for_q8_key(head_dim, slot, copy);
  if (format == CacheFormat::kF32) return for_float_key<4>(head_dim, slot, copy);
  for_float_key<2>(head_dim, slot, copy);
}

/// Calls copy(offset in the entry, offset in the block's values, bytes).
template <class Copy>
void for_value(CacheFormat format, int64_t head_dim, int64_t slot, const Copy& copy) {
  for (int64_t strip = 0; strip < kv_value_strips(head_dim); ++strip) {
    if (format == CacheFormat::kQ8_0) {
      copy(34 * strip, strip * kQ8StripBytes + 2 * slot, 2);
      for (int64_t i = 0; i < kValueStrip; ++i) {
        copy(34 * strip + 2 + i, strip * kQ8StripBytes + q8_value_at(slot, i), 1);
      }
    } else {
      const int64_t bytes = kv_float_bytes(format), first = strip * kValueStrip;
      copy(first * bytes, (strip * kTileKeys + slot) * kValueStrip * bytes,
           std::min(kValueStrip, head_dim - first) * bytes);
    }
  }
}

/// Quants of a key to bytes that are the unsigned side of a dot product, and back.
template <int kBytes>
void copy_key_part(bool q8, const std::byte* from, std::byte* to) {
  if (kBytes == 4 && q8) {
    uint32_t quants;
    std::memcpy(&quants, from, 4);
    quants ^= 0x80808080u;
    std::memcpy(to, &quants, 4);
  } else {
    std::memcpy(to, from, kBytes);
  }
}

}  // namespace

static_assert(sizeof(BlockQ8_0) == 34);

void put_key(CacheFormat format, int64_t head_dim, const std::byte* entry, int64_t slot,
             std::byte* keys) {
  for_key(format, head_dim, slot, [&]<int kBytes>(int64_t from, int64_t to) {
    copy_key_part<kBytes>(format == CacheFormat::kQ8_0, entry + from, keys + to);
  });
}

void get_key(CacheFormat format, int64_t head_dim, const std::byte* keys, int64_t slot,
             std::byte* entry) {
  for_key(format, head_dim, slot, [&]<int kBytes>(int64_t to, int64_t from) {
    copy_key_part<kBytes>(format == CacheFormat::kQ8_0, keys + from, entry + to);
  });
}

void put_value(CacheFormat format, int64_t head_dim, const std::byte* entry, int64_t slot,
               std::byte* values) {
  for_value(format, head_dim, slot, [&](int64_t from, int64_t to, int64_t bytes) {
    std::memcpy(values + to, entry + from, static_cast<size_t>(bytes));
  });
}

void get_value(CacheFormat format, int64_t head_dim, const std::byte* values, int64_t slot,
               std::byte* entry) {
  for_value(format, head_dim, slot, [&](int64_t to, int64_t from, int64_t bytes) {
    std::memcpy(entry + to, values + from, static_cast<size_t>(bytes));
  });
}

void entry_to_floats(CacheFormat format, const std::byte* entry, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    if (format == CacheFormat::kQ8_0) {
      BlockQ8_0 block;
      std::memcpy(&block, entry + i / 32 * sizeof(block), sizeof(block));
      out[i] = f16_to_f32(block.d) * static_cast<float>(block.qs[i % 32]);
    } else if (format == CacheFormat::kF32) {
      std::memcpy(&out[i], entry + 4 * i, 4);
    } else {
      uint16_t bits;
      std::memcpy(&bits, entry + 2 * i, 2);
      out[i] = format == CacheFormat::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
    }
  }
}

}  // namespace octavo
