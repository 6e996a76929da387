// Chunks of weights on their way to the tensor cores: 64 columns of a panel of 16 rows lie in
// shared memory as they lie in the model file, and become bf16 in the registers of the lane that
// multiplies them.
//
// A fragment b of mma.m16n8k16 has, in lane 4 * g + t, four of 16 columns of column g of b. A line
// of the packed order has 4 columns of 16 rows in 64 bytes: lane (g, t) takes columns 4 t .. 4 t +
// 3 of rows 2 g and 2 g + 1, 8 bytes of line t. A warp so reads four whole lines, 256 bytes without
// a bank conflict, for two fragments. Which column is which k of the product does not matter as
// long as the activations agree (bf16_place()).
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/instructions.cuh"
#include "backend/cuda/kernels/numbers.cuh"
#include "quant/tile.h"

namespace octavo::cuda {

/// Columns of a chunk; kHalf of them share a scale at the most.
constexpr int kChunkCols = 64, kHalfCols = 32;
constexpr int kPieceBytes = 16;
constexpr int kLinePieces = 64 / kPieceBytes;

/// Fragments of two panels' halves: b[i] is of rows 2 g + i.
struct Fragments {
  uint32_t b[2][2];
};

/// Where a lane is in the warp's fragments.
struct LanePlace {
  int g, t;
};
__device__ __forceinline__ LanePlace lane_place() {
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  return {lane / 4, lane % 4};
}

__device__ __forceinline__ uint2 shared_words(const std::byte* address) {
  return *reinterpret_cast<const uint2*>(address);
}
__device__ __forceinline__ uint32_t shared_word(const std::byte* address) {
  return *reinterpret_cast<const uint32_t*>(address);
}
__device__ __forceinline__ uint32_t shared_half(const std::byte* address) {
  return *reinterpret_cast<const unsigned short*>(address);
}
/// Both rows' 4 bytes of line `line`.
__device__ __forceinline__ uint2 line_words(const std::byte* lines, int line, LanePlace place) {
  return shared_words(lines + line * 64 + place.g * 8);
}
__device__ __forceinline__ uint32_t twice(float value) { return bf16_pair(value, value); }

// bf16 numbers in pairs.
constexpr uint32_t kOnes = 0x3F803F80u, kMinusOnes = 0xBF80BF80u, kMinusZeros = 0x80008000u;
constexpr uint32_t kMinus128 = 0xC300C300u, kMinus136 = 0xC308C308u, kMinus160 = 0xC320C320u;

/// 128 + q of bytes 0, 1 (then 2, 3) of `quants`, each below 128: exact in bf16's eight digits.
__device__ __forceinline__ void plus_128(uint32_t quants, uint32_t (&pairs)[2]) {
  pairs[0] = __byte_perm(quants, 0x43434343u, 0x4140);
  pairs[1] = __byte_perm(quants, 0x43434343u, 0x4342);
}
/// scale * (128 + q + offset), offset a pair.
__device__ __forceinline__ void scaled(uint32_t quants, uint32_t offset, uint32_t scale,
                                       uint32_t (&b)[2]) {
  uint32_t pairs[2];
  plus_128(quants, pairs);
  for (int i = 0; i < 2; ++i) {
    b[i] = bf16_fma(bf16_fma(pairs[i], kOnes, offset), scale, kMinusZeros);
  }
}
/// Nibbles of a half of the chunk: low ones are the first.
__device__ __forceinline__ uint32_t nibbles(uint32_t word, int half) {
  return word >> (4 * half) & 0x0F0F0F0Fu;
}

/// What every chunk has:
///   kPieces            pieces of 16 bytes in shared memory
///   source(chunk, i)   where piece i of that chunk of a panel lies, in bytes from the panel
///   place(i)           where it goes to, in pieces
///   Scales, scales()   what a half's quants are multiplied with, for both rows
///   fragments()        of 16 columns: part 0 or 1 of a half
template <Format kFormat>
struct Chunk;

/// q4_0, q8_0: a tile is a chunk. Scales of a half: 16 f16.
template <int kLines>
struct BlockChunk {
  static constexpr int kPieces = kLinePieces * (1 + kLines);
  struct Scales {
    uint32_t d[2];
  };
  __device__ static int64_t source(int chunk, int i) {
    return (int64_t{chunk} * kPieces + i) * kPieceBytes;
  }
  __device__ static int place(int i) { return i; }
  __device__ static Scales scales(const std::byte* data, int, int half, LanePlace place) {
    const uint32_t d = shared_word(data + tile::scale_at(2 * place.g, half));
    return {{twice(f16_value(d & 0xFFFF)), twice(f16_value(d >> 16))}};
  }
};

template <>
struct Chunk<Format::kQ4_0> : BlockChunk<8> {
  __device__ static Fragments fragments(const std::byte* data, int half, int part, LanePlace place,
                                        const Scales& scales) {
    const uint2 words = line_words(data + tile::kBlockQuants, 4 * part + place.t, place);
    Fragments fragments;
    scaled(nibbles(words.x, half), kMinus136, scales.d[0], fragments.b[0]);
    scaled(nibbles(words.y, half), kMinus136, scales.d[1], fragments.b[1]);
    return fragments;
  }
};

template <>
struct Chunk<Format::kQ8_0> : BlockChunk<16> {
  __device__ static void row(uint32_t word, uint32_t scale, uint32_t (&b)[2]) {
    const uint32_t bytes[2] = {__byte_perm(word, 0, 0x4140), __byte_perm(word, 0, 0x4342)};
    for (int i = 0; i < 2; ++i) {
      // q + 128 without its first bit is q where that was set, else q + 128.
      const uint32_t sum = (bytes[i] & 0x007F007Fu) | 0x43004300u;
      const uint32_t excess = (bytes[i] & 0x00800080u) ^ 0x43804380u;  // 128 or 256
      b[i] = bf16_fma(bf16_fma(excess, kMinusOnes, sum), scale, kMinusZeros);
    }
  }
  __device__ static Fragments fragments(const std::byte* data, int half, int part, LanePlace place,
                                        const Scales& scales) {
    const int line = 8 * half + 4 * part + place.t;
    const uint2 words = line_words(data + tile::kBlockQuants, line, place);
    Fragments fragments;
    row(words.x, scales.d[0], fragments.b[0]);
    row(words.y, scales.d[1], fragments.b[1]);
    return fragments;
  }
};

/// q4_k, q5_k. In shared memory: 8 pieces of scales (d, dmin, low and high bits of both halves'),
/// the fifth bits, the nibbles.
template <bool kFifth>
struct SuperChunk {
  static constexpr int kHeader = 8, kBits = kFifth ? 1 : 0;
  static constexpr int kPieces = kHeader + tile::chunk_bytes(kBits) / kPieceBytes;
  struct Scales {
    uint32_t scale[2], minus_min[2];
  };
  __device__ static int64_t source(int chunk, int i) {
    const int c = chunk % 4;
    int at = tile::kSuperQuants + c * tile::chunk_bytes(kBits) + (i - kHeader) * kPieceBytes;
    if (i < 4) at = i * kPieceBytes;
    if (i == 4 || i == 5) at = tile::super_low_at(0, 2 * c + i - 4);
    if (i == 6 || i == 7) at = tile::super_high_at(0, 2 * c + i - 6);
    return int64_t{chunk / 4} * (tile::kSuperQuants + 4 * tile::chunk_bytes(kBits)) + at;
  }
  __device__ static int place(int i) { return i; }
  __device__ static Scales scales(const std::byte* data, int chunk, int half, LanePlace place) {
    const uint32_t d = shared_word(data + 4 * place.g), dmin = shared_word(data + 32 + 4 * place.g);
    const uint32_t low = shared_half(data + 64 + 16 * half + 2 * place.g);
    const uint32_t high =
        shared_half(data + 96 + 16 * half + 2 * place.g) >> tile::super_high_shift(2 * (chunk % 4));
    const uint32_t scale = (low & 0x0F0F) | (high & 0x0303) << 4;
    const uint32_t min = (low >> 4 & 0x0F0F) | (high & 0x3030);
    Scales scales;
    for (int i = 0; i < 2; ++i) {
      const auto part = [i](uint32_t bytes) {
        return static_cast<float>(static_cast<int>(bytes >> (8 * i) & 255));
      };
      scales.scale[i] = twice(f16_value(d >> (16 * i) & 0xFFFF) * part(scale));
      scales.minus_min[i] = twice(-f16_value(dmin >> (16 * i) & 0xFFFF) * part(min));
    }
    return scales;
  }
  __device__ static Fragments fragments(const std::byte* data, int half, int part, LanePlace place,
                                        const Scales& scales) {
    const std::byte* lines = data + kHeader * kPieceBytes;
    const int line = 4 * part + place.t;
    const uint2 words = line_words(lines + tile::high_bytes(kBits), line, place);
    uint32_t quants[2] = {nibbles(words.x, half), nibbles(words.y, half)};
    if constexpr (kFifth) {
      const uint2 bits = line_words(lines, half, place);
      quants[0] |= (bits.x >> line & 0x01010101u) << 4;
      quants[1] |= (bits.y >> line & 0x01010101u) << 4;
    }
    Fragments fragments;
    for (int i = 0; i < 2; ++i) {
      uint32_t pairs[2];
      plus_128(quants[i], pairs);
      for (int k = 0; k < 2; ++k) {
        fragments.b[i][k] =
            bf16_fma(bf16_fma(pairs[k], kOnes, kMinus128), scales.scale[i], scales.minus_min[i]);
      }
    }
    return fragments;
  }
};
template <>
struct Chunk<Format::kQ4_K> : SuperChunk<false> {};
template <>
struct Chunk<Format::kQ5_K> : SuperChunk<true> {};

/// q6_k. In shared memory: d, the scales of four parts of 16 columns, the high bits, the nibbles.
template <>
struct Chunk<Format::kQ6_K> {
  static constexpr int kHeader = 6;
  static constexpr int kPieces = kHeader + tile::chunk_bytes(2) / kPieceBytes;
  struct Scales {
    uint32_t scale[2][2];  // of part, row
  };
  __device__ static int64_t source(int chunk, int i) {
    const int c = chunk % 4;
    int at = tile::kSixQuants + c * tile::chunk_bytes(2) + (i - kHeader) * kPieceBytes;
    if (i < 2) at = i * kPieceBytes;
    if (i >= 2 && i < kHeader) at = tile::six_scale_at(0, 4 * c + i - 2);
    return int64_t{chunk / 4} * (tile::kSixQuants + 4 * tile::chunk_bytes(2)) + at;
  }
  __device__ static int place(int i) { return i; }
  __device__ static Scales scales(const std::byte* data, int, int half, LanePlace place) {
    const uint32_t d = shared_word(data + 4 * place.g);
    Scales scales;
    for (int part = 0; part < 2; ++part) {
      const uint32_t both = shared_half(data + 32 + 16 * (2 * half + part) + 2 * place.g);
      for (int i = 0; i < 2; ++i) {
        const auto scale = static_cast<int8_t>(both >> (8 * i));
        scales.scale[part][i] =
            twice(f16_value(d >> (16 * i) & 0xFFFF) * static_cast<float>(int{scale}));
      }
    }
    return scales;
  }
  __device__ static Fragments fragments(const std::byte* data, int half, int part, LanePlace place,
                                        const Scales& scales) {
    const std::byte* lines = data + kHeader * kPieceBytes;
    const uint2 words = line_words(lines + tile::high_bytes(2), 4 * part + place.t, place);
    const uint2 bits = line_words(lines, 2 * half + part, place);
    const int shift = 2 * place.t;
    Fragments fragments;
    scaled(nibbles(words.x, half) | (bits.x >> shift & 0x03030303u) << 4, kMinus160,
           scales.scale[part][0], fragments.b[0]);
    scaled(nibbles(words.y, half) | (bits.y >> shift & 0x03030303u) << 4, kMinus160,
           scales.scale[part][1], fragments.b[1]);
    return fragments;
  }
};

/// Two tiles of pairs of columns. Even lines of 16 columns come before the odd ones in shared
/// memory, so that a warp's four lines are neighbours again.
template <>
struct Chunk<Format::kBF16> {
  static constexpr int kPieces = 128, kTilePieces = 64;
  struct Scales {};
  __device__ static int64_t source(int chunk, int i) {
    return (int64_t{chunk} * kPieces + i) * kPieceBytes;
  }
  __device__ static int place(int i) {
    const int line = i / kLinePieces % 8;
    return i - line * kLinePieces + (line % 2 * 4 + line / 2) * kLinePieces;
  }
  __device__ static Scales scales(const std::byte*, int, int, LanePlace) { return {}; }
  __device__ static Fragments fragments(const std::byte* data, int half, int part, LanePlace place,
                                        const Scales&) {
    const int first = 8 * (2 * half + part);
    const uint2 even = line_words(data, first + place.t, place);
    const uint2 odd = line_words(data, first + 4 + place.t, place);
    return {{{even.x, odd.x}, {even.y, odd.y}}};
  }
};

}  // namespace octavo::cuda
