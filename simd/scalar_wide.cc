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

/// A weight is step * quant - offset.
struct Block {
  float step = 0, offset = 0;
  std::array<int, 32> quant = {};
};

int nibble(const std::byte* lines, int r, int k) {
  return (byte_at(lines, tile::nibble_at(r, k)) >> tile::nibble_shift(k)) & 15;
}

// Column k of a tile whose chunks start at `chunks`, with `bits` bits above each nibble.
int long_quant(const std::byte* chunks, int r, int k, int bits) {
  const std::byte* chunk = chunks + k / 64 * tile::chunk_bytes(bits);
  const int high = byte_at(chunk, tile::high_at(r, k, bits)) >> tile::high_shift(k, bits);
  return nibble(chunk + tile::high_bytes(bits), r, k) | (high & ((1 << bits) - 1)) << 4;
}

Block block_q4_0(const std::byte* tile, int r, int j) {
  Block block;
  block.step = f16_at(tile, tile::scale_at(r, j));
  block.offset = 8 * block.step;
  for (int k = 0; k < 32; ++k) {
    block.quant[k] = nibble(tile + tile::kBlockQuants, r, 32 * j + k);
  }
  return block;
}

// q4_k has no bits above a nibble, q5_k one.
Block block_super(const std::byte* tile, int r, int j, int bits) {
  const int low = byte_at(tile, tile::super_low_at(r, j));
  const int high = byte_at(tile, tile::super_high_at(r, j)) >> tile::super_high_shift(j);
  Block block;
  block.step = f16_at(tile, 2 * r) * static_cast<float>((low & 15) | ((high & 3) << 4));
  block.offset = f16_at(tile, 2 * (kPanelRows + r)) *
                 static_cast<float>((low >> 4) | (((high >> 4) & 3) << 4));
  for (int k = 0; k < 32; ++k) {
    block.quant[k] = long_quant(tile + tile::kSuperQuants, r, 32 * j + k, bits);
  }
  return block;
}

// Block j of a group whose first tile is `tile`.
Block block_of(Format format, const std::byte* tile, int r, int j) {
  switch (format) {
    case Format::kQ4_0:
      return block_q4_0(tile + j / 2 * traits(format).tile_bytes, r, j % 2);
    case Format::kQ4_K:
      return block_super(tile, r, j, 0);
    case Format::kQ5_K:
      return block_super(tile, r, j, 1);
    case Format::kF32:
    case Format::kF16:
    case Format::kBF16:
    case Format::kQ8_0:
    case Format::kQ6_K:
      break;
  }
  return {};
}

}  // namespace

float scalar_wide_weights(Format format, const std::byte* w, int64_t cols, int64_t row,
                          int64_t group, std::span<int8_t> q) {
  const FormatTraits& t = traits(format);
  const std::byte* panel = w + row / kPanelRows * packed_panel_bytes(format, cols);
  const int r = static_cast<int>(row % kPanelRows);
  const int64_t first = kWideCols * group / t.tile_cols;
  std::array<Block, kWideBlocks> blocks;
  float top = 0;
  for (int j = 0; j < kWideBlocks; ++j) {
    if (first + 32 * j / t.tile_cols >= packed_tiles(format, cols)) break;
    blocks[j] = block_of(format, panel + first * t.tile_bytes, r, j);
    const float step = blocks[j].step, offset = blocks[j].offset;
    const auto last = static_cast<float>(wide_top(format));
    top = std::max({top, std::abs(offset), std::abs(last * step - offset)});
  }
  const float inverse = top >= kWideSmallestTop ? kWideUnits / top : 0.0f;
  for (int j = 0; j < kWideBlocks; ++j) {
    const int step = static_cast<int>(std::nearbyint(blocks[j].step * inverse));
    const int offset = static_cast<int>(std::nearbyint(blocks[j].offset * inverse));
    for (int k = 0; k < 32; ++k) {
      q[32 * j + k] = static_cast<int8_t>((step * blocks[j].quant[k] - offset + 128) >> 8);
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
