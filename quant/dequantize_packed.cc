// Single values out of the packed order, straight from quant/tile.h.
#include <cstring>

#include "quant/float16.h"
#include "quant/packed.h"
#include "quant/tile.h"

namespace octavo {
namespace {

float f16_in(const uint8_t* address) {
  uint16_t bits;
  std::memcpy(&bits, address, 2);
  return f16_to_f32(bits);
}

int nibble(const uint8_t* lines, int r, int k) {
  return (lines[tile::nibble_at(r, k)] >> tile::nibble_shift(k)) & 15;
}

// q5_k, q6_k: a quant with `bits` bits above its nibble.
int chunk_quant(const uint8_t* chunk, int r, int k, int bits) {
  const int high = chunk[tile::high_at(r, k, bits)] >> tile::high_shift(k, bits);
  return nibble(chunk + tile::high_bytes(bits), r, k) | (high & ((1 << bits) - 1)) << 4;
}

// q4_k, q5_k: quant q of sub-block j.
float super_value(const uint8_t* tile, int r, int j, int q) {
  const int low = tile[tile::super_low_at(r, j)];
  const int high = tile[tile::super_high_at(r, j)] >> tile::super_high_shift(j);
  const float scale = f16_in(tile + 2 * r) * static_cast<float>((low & 15) | ((high & 3) << 4));
  const float min = f16_in(tile + 2 * (kPanelRows + r)) *
                    static_cast<float>((low >> 4) | (((high >> 4) & 3) << 4));
  return scale * static_cast<float>(q) - min;
}

// Value of row r, column k of one tile.
float tile_value(Format format, const uint8_t* tile, int r, int k) {
  switch (format) {
    case Format::kF32: {
      float value;
      std::memcpy(&value, tile + tile::f32_at(r, k), 4);
      return value;
    }
    case Format::kF16:
      return f16_in(tile + tile::f16_at(r, k));
    case Format::kBF16: {
      uint16_t bits;
      std::memcpy(&bits, tile + tile::bf16_at(r, k), 2);
      return bf16_to_f32(bits);
    }
    case Format::kQ8_0: {
      const int q = tile[tile::kBlockQuants + tile::line_at(r, k)] - tile::kQ8Offset;
      return f16_in(tile + tile::scale_at(r, k / 32)) * static_cast<float>(q);
    }
    case Format::kQ4_0: {
      const int q = nibble(tile + tile::kBlockQuants, r, k) - 8;
      return f16_in(tile + tile::scale_at(r, k / 32)) * static_cast<float>(q);
    }
    case Format::kQ4_K: {
      const uint8_t* lines = tile + tile::kSuperQuants + tile::kNibbleLines * (k / 64);
      return super_value(tile, r, k / 32, nibble(lines, r, k));
    }
    case Format::kQ5_K: {
      const uint8_t* chunk = tile + tile::kSuperQuants + tile::chunk_bytes(1) * (k / 64);
      return super_value(tile, r, k / 32, chunk_quant(chunk, r, k, 1));
    }
    case Format::kQ6_K: {
      const uint8_t* chunk = tile + tile::kSixQuants + tile::chunk_bytes(2) * (k / 64);
      const auto scale = static_cast<int8_t>(tile[tile::six_scale_at(r, k / 16)]);
      return f16_in(tile + 2 * r) * static_cast<float>(scale) *
             static_cast<float>(chunk_quant(chunk, r, k, 2) - 32);
    }
  }
  return 0;
}

}  // namespace

void dequantize_packed_row(Format format, const std::byte* matrix, int64_t row,
                           std::span<float> dst) {
  const auto cols = static_cast<int64_t>(dst.size());
  const FormatTraits& t = traits(format);
  const auto* panel = reinterpret_cast<const uint8_t*>(
      matrix + row / kPanelRows * packed_panel_bytes(format, cols));
  const int r = static_cast<int>(row % kPanelRows);
  for (int64_t k = 0; k < cols; ++k) {
    dst[k] = tile_value(format, panel + k / t.tile_cols * t.tile_bytes, r,
                        static_cast<int>(k % t.tile_cols));
  }
}

}  // namespace octavo
