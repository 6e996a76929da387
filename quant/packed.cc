#include "quant/packed.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include "quant/block.h"
#include "quant/tile.h"

namespace octavo {
namespace {

// Each move_* copies the numbers of one row between row order and a tile, in the direction that
// kPack says. `byte` is the row-order side, `tile` the packed one; cols counts the columns of the
// tile that exist.
template <bool kPack>
using RowBytes = std::conditional_t<kPack, const uint8_t*, uint8_t*>;
template <bool kPack>
using TileBytes = std::conditional_t<kPack, uint8_t*, const uint8_t*>;

template <bool kPack>
void move_bytes(RowBytes<kPack> row, TileBytes<kPack> tile, int count) {
  if constexpr (kPack) {
    std::memcpy(tile, row, count);
  } else {
    std::memcpy(row, tile, count);
  }
}

template <bool kPack>
void move_float(Format format, int r, int cols, RowBytes<kPack> row, TileBytes<kPack> tile) {
  for (int k = 0; k < cols; ++k) {
    if (format == Format::kF32) {
      move_bytes<kPack>(row + 4 * k, tile + tile::f32_at(r, k), 4);
    } else if (format == Format::kF16) {
      move_bytes<kPack>(row + 2 * k, tile + tile::f16_at(r, k), 2);
    } else {
      move_bytes<kPack>(row + 2 * k, tile + tile::bf16_at(r, k), 2);
    }
  }
}

template <bool kPack>
void move_q8_0(int r, int blocks, RowBytes<kPack> row, TileBytes<kPack> tile) {
  for (int b = 0; b < blocks; ++b, row += sizeof(BlockQ8_0)) {
    move_bytes<kPack>(row, tile + tile::scale_at(r, b), 2);
    for (int k = 0; k < 32; ++k) {
      const int at = tile::kBlockQuants + tile::line_at(r, 32 * b + k);
      if constexpr (kPack) {
        tile[at] = static_cast<uint8_t>(row[2 + k] ^ tile::kQ8Offset);
      } else {
        row[2 + k] = static_cast<uint8_t>(tile[at] ^ tile::kQ8Offset);
      }
    }
  }
}

// `bits` at `shift` of *byte to or from `tile_shift` of lines[at].
template <bool kPack>
void move_bits(int bits, RowBytes<kPack> byte, int shift, TileBytes<kPack> lines, int at,
               int tile_shift) {
  const int mask = (1 << bits) - 1;
  if constexpr (kPack) {
    lines[at] = static_cast<uint8_t>(lines[at] | (((*byte >> shift) & mask) << tile_shift));
  } else {
    *byte = static_cast<uint8_t>(*byte | (((lines[at] >> tile_shift) & mask) << shift));
  }
}

// Column `k` of 64 columns of nibbles to or from `shift` of *byte.
template <bool kPack>
void move_nibble(int r, int k, RowBytes<kPack> byte, int shift, TileBytes<kPack> lines) {
  move_bits<kPack>(4, byte, shift, lines, tile::nibble_at(r, k), tile::nibble_shift(k));
}

template <bool kPack>
void move_q4_0(int r, int blocks, RowBytes<kPack> row, TileBytes<kPack> tile) {
  for (int b = 0; b < blocks; ++b, row += sizeof(BlockQ4_0)) {
    move_bytes<kPack>(row, tile + tile::scale_at(r, b), 2);
    for (int k = 0; k < 32; ++k) {
      move_nibble<kPack>(r, 32 * b + k, row + 2 + k % 16, k / 16 * 4, tile + tile::kBlockQuants);
    }
  }
}

// d, dmin and the sub-blocks' scales and mins: 16 bytes of a q4_k or q5_k block.
template <bool kPack>
void move_super_scales(int r, RowBytes<kPack> row, TileBytes<kPack> tile) {
  move_bytes<kPack>(row, tile + 2 * r, 2);
  move_bytes<kPack>(row + 2, tile + 2 * (kPanelRows + r), 2);
  for (int j = 0; j < 8; ++j) {
    const int low = tile::super_low_at(r, j), high = tile::super_high_at(r, j);
    const int shift = tile::super_high_shift(j);
    if constexpr (kPack) {
      const ScaleMin sm = get_scale_min(row + 4, j);
      tile[low] = static_cast<uint8_t>((sm.scale & 15) | ((sm.min & 15) << 4));
      tile[high] = static_cast<uint8_t>(tile[high] | ((sm.scale >> 4) << shift) |
                                        ((sm.min >> 4) << (shift + 4)));
    } else {
      const int scale = (tile[low] & 15) | (((tile[high] >> shift) & 3) << 4);
      const int min = (tile[low] >> 4) | (((tile[high] >> (shift + 4)) & 3) << 4);
      set_scale_min(row + 4, j, {static_cast<uint8_t>(scale), static_cast<uint8_t>(min)});
    }
  }
}

template <bool kPack>
void move_q4_k(int r, RowBytes<kPack> row, TileBytes<kPack> tile) {
  move_super_scales<kPack>(r, row, tile);
  for (int k = 0; k < 256; ++k) {
    const int chunk = k / 64;
    move_nibble<kPack>(r, k % 64, row + offsetof(BlockQ4_K, qs) + 32 * chunk + k % 32,
                       k / 32 % 2 * 4, tile + tile::kSuperQuants + tile::kNibbleLines * chunk);
  }
}

template <bool kPack>
void move_q5_k(int r, RowBytes<kPack> row, TileBytes<kPack> tile) {
  move_super_scales<kPack>(r, row, tile);
  for (int k = 0; k < 256; ++k) {
    const auto chunk = tile + tile::kSuperQuants + tile::chunk_bytes(1) * (k / 64);
    move_bits<kPack>(1, row + offsetof(BlockQ5_K, qh) + k % 32, k / 32, chunk,
                     tile::high_at(r, k, 1), tile::high_shift(k, 1));
    move_nibble<kPack>(r, k, row + offsetof(BlockQ5_K, qs) + k / 64 * 32 + k % 32, k / 32 % 2 * 4,
                       chunk + tile::high_bytes(1));
  }
}

template <bool kPack>
void move_q6_k(int r, RowBytes<kPack> row, TileBytes<kPack> tile) {
  move_bytes<kPack>(row + offsetof(BlockQ6_K, d), tile + 2 * r, 2);
  for (int j = 0; j < 16; ++j) {
    move_bytes<kPack>(row + offsetof(BlockQ6_K, scales) + j, tile + tile::six_scale_at(r, j), 1);
  }
  for (int k = 0; k < 256; ++k) {
    const auto chunk = tile + tile::kSixQuants + tile::chunk_bytes(2) * (k / 64);
    move_bits<kPack>(2, row + offsetof(BlockQ6_K, qh) + k / 128 * 32 + k % 32, k / 32 % 4 * 2,
                     chunk, tile::high_at(r, k, 2), tile::high_shift(k, 2));
    move_nibble<kPack>(r, k, row + offsetof(BlockQ6_K, ql) + k / 128 * 64 + k % 64, k / 64 % 2 * 4,
                       chunk + tile::high_bytes(2));
  }
}

// One row of one panel; the destination starts zeroed.
template <bool kPack>
void move_row(Format format, int r, int64_t cols, RowBytes<kPack> row, TileBytes<kPack> tile) {
  const FormatTraits& t = traits(format);
  const int blocks_in_tile = t.tile_cols / t.block_cols;
  int64_t left = (cols + t.block_cols - 1) / t.block_cols;
  for (; left > 0; left -= blocks_in_tile, tile += t.tile_bytes) {
    const int blocks = static_cast<int>(std::min<int64_t>(left, blocks_in_tile));
    switch (format) {
      case Format::kF32:
      case Format::kF16:
      case Format::kBF16:
        move_float<kPack>(format, r, blocks, row, tile);
        break;
      case Format::kQ8_0:
        move_q8_0<kPack>(r, blocks, row, tile);
        break;
      case Format::kQ4_0:
        move_q4_0<kPack>(r, blocks, row, tile);
        break;
      case Format::kQ4_K:
        move_q4_k<kPack>(r, row, tile);
        break;
      case Format::kQ5_K:
        move_q5_k<kPack>(r, row, tile);
        break;
      case Format::kQ6_K:
        move_q6_k<kPack>(r, row, tile);
        break;
    }
    row += blocks * t.block_bytes;
  }
}

}  // namespace

void pack_panel(Format format, const std::byte* src, int64_t src_stride, int rows, int64_t cols,
                std::byte* dst) {
  std::memset(dst, 0, packed_panel_bytes(format, cols));
  for (int r = 0; r < rows; ++r) {
    move_row<true>(format, r, cols, reinterpret_cast<const uint8_t*>(src + r * src_stride),
                   reinterpret_cast<uint8_t*>(dst));
  }
}

void unpack_panel(Format format, const std::byte* src, int rows, int64_t cols, std::byte* dst,
                  int64_t dst_stride) {
  for (int r = 0; r < rows; ++r) {
    std::byte* row = dst + r * dst_stride;
    std::memset(row, 0, row_bytes(format, cols));
    move_row<false>(format, r, cols, reinterpret_cast<uint8_t*>(row),
                    reinterpret_cast<const uint8_t*>(src));
  }
}

}  // namespace octavo
