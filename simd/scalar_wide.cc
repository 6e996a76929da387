#include "simd/scalar_wide.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "quant/float16.h"
#include "quant/packed.h"
#include "quant/rows.h"
#include "quant/tile.h"

namespace octavo {
namespace {

uint8_t byte_at(const std::byte* tile, int at) { return static_cast<uint8_t>(tile[at]); }

float f16_at(const std::byte* tile, int at) {
  return f16_to_f32(static_cast<uint16_t>(byte_at(tile, at) | (byte_at(tile, at + 1) << 8)));
}

/// A weight is step * nibble - offset.
struct Block {
  float step = 0, offset = 0;
  std::array<int, 32> nibble = {};
};

Block block_q4_0(const std::byte* tile, int r, int j) {
  Block block;
  block.step = f16_at(tile, tile::scale_at(r, j));
  block.offset = 8 * block.step;
  for (int k = 0; k < 32; ++k) {
    const int byte = byte_at(tile, tile::kBlockQuants + tile::nibble_at(r, 32 * j + k));
    block.nibble[k] = (byte >> tile::nibble_shift(32 * j + k)) & 15;
  }
  return block;
}

Block block_q4_k(const std::byte* tile, int r, int j) {
  const int low = byte_at(tile, tile::super_low_at(r, j));
  const int high = byte_at(tile, tile::super_high_at(r, j)) >> tile::super_high_shift(j);
  Block block;
  block.step = f16_at(tile, 2 * r) * static_cast<float>((low & 15) | ((high & 3) << 4));
  block.offset = f16_at(tile, 2 * (kPanelRows + r)) *
                 static_cast<float>((low >> 4) | (((high >> 4) & 3) << 4));
  const std::byte* lines = tile + tile::kSuperQuants + tile::kNibbleLines * (j / 2);
  for (int k = 0; k < 32; ++k) {
    const int column = 32 * (j % 2) + k;
    block.nibble[k] =
        (byte_at(lines, tile::nibble_at(r, column)) >> tile::nibble_shift(column)) & 15;
  }
  return block;
}

}  // namespace

float scalar_wide_weights(Format format, const std::byte* w, int64_t cols, int64_t row,
                          int64_t group, std::span<int8_t> q) {
  const FormatTraits& t = traits(format);
  const std::byte* panel = w + row / kPanelRows * packed_panel_bytes(format, cols);
  const int r = static_cast<int>(row % kPanelRows);
  std::array<Block, kWideBlocks> blocks;
  float top = 0;
  for (int j = 0; j < kWideBlocks; ++j) {
    const int64_t tile = (kWideCols * group + 32 * j) / t.tile_cols;
    if (tile >= packed_tiles(format, cols)) break;
    const std::byte* address = panel + tile * t.tile_bytes;
    blocks[j] = format == Format::kQ4_0 ? block_q4_0(address, r, j % 2) : block_q4_k(address, r, j);
    top = std::max(
        {top, std::abs(blocks[j].offset), std::abs(15 * blocks[j].step - blocks[j].offset)});
  }
  const float inverse = top >= kWideSmallestTop ? kWideUnits / top : 0.0f;
  for (int j = 0; j < kWideBlocks; ++j) {
    const int step = static_cast<int>(std::nearbyint(blocks[j].step * inverse));
    const int offset = static_cast<int>(std::nearbyint(blocks[j].offset * inverse));
    for (int k = 0; k < 32; ++k) {
      q[32 * j + k] = static_cast<int8_t>((step * blocks[j].nibble[k] - offset + 128) >> 8);
    }
  }
  return top / 127.0f;
}

void scalar_quantize_wide(const float* x, int64_t cols, int64_t group, int64_t row,
                          const WideRows& out) {
  const int64_t block = row / kWideRows, r = row % kWideRows;
  float top = 0;
  for (int64_t k = 0; k < cols; ++k) top = std::max(top, std::abs(x[k]));
  const float inverse = top >= kWideSmallestTop ? 127.0f / top : 0.0f;
  int32_t sum = 0;
  for (int64_t k = 0; k < kWideCols; ++k) {
    const auto q = static_cast<int8_t>(k < cols ? std::nearbyint(x[k] * inverse) : 0.0f);
    sum += q;
    out.block(group, block)[wide_at(r, k)] = q;
  }
  out.scale[out.row_at(group, block) + r] = top / 127.0f;
  out.sum[out.row_at(group, block) + r] = sum;
}

void scalar_matmul_wide(Format format, const std::byte* w, int64_t out_rows, int64_t cols,
                        int64_t begin, int64_t end, const WideRows& x, int64_t rows, float* y,
                        int64_t y_stride) {
  std::array<int8_t, kWideCols> weights;
  for (int64_t n = begin * kPanelRows; n < std::min(end * kPanelRows, out_rows); ++n) {
    for (int64_t r = 0; r < rows; ++r) y[r * y_stride + n] = 0;
    for (int64_t group = 0; group < wide_groups(cols); ++group) {
      const float scale = scalar_wide_weights(format, w, cols, n, group, weights);
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t b = r / kWideRows, i = r % kWideRows;
        const int8_t* q = x.block(group, b);
        int32_t dot = 0;
        for (int k = 0; k < kWideCols; ++k) {
          dot += weights[k] * q[wide_at(i, k)];
        }
        y[r * y_stride + n] += static_cast<float>(dot) * (scale * x.scale[x.row_at(group, b) + i]);
      }
    }
  }
}

}  // namespace octavo
