// The table of vector kernels of one instruction set, chosen at run time. Target-free header.
//
// Weights are packed (quant/packed.h). Kernels work on a range of panels of 16 output rows, or on
// single rows, so the caller splits the work over threads; they neither allocate nor fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quant/format.h"
#include "simd/bf16_rows.h"
#include "simd/kv_block.h"
#include "simd/wide.h"

namespace octavo {

/// Activations [rows, cols] quantized to int8 in blocks of 32: value = scale * q. cols rounds up to
/// whole 64s with zeros. Pointers are to memory that the caller owns.
struct Q8Rows {
  int8_t* q = nullptr;          ///< [rows, padded]
  float* scale = nullptr;       ///< [rows, padded / 32]
  int32_t* sum = nullptr;       ///< [rows, padded / 32], sum of the block's q
  int32_t* half_sum = nullptr;  ///< [rows, padded / 16], the same of its two halves
  int64_t padded = 0;           ///< cols rounded up to q8_padded(cols)
};
/// A block whose largest value is below this counts as zeros: 127 / max would not be finite.
inline constexpr float kQ8SmallestMax = 1e-36f;
/// Columns of a Q8Rows for `cols` values: rounded up to 256, so that every quantized tile is whole,
/// and a line more, so that the rows of a block do not share one set of the first-level cache.
inline constexpr int64_t q8_padded(int64_t cols) { return (cols + 255) / 256 * 256 + 64; }

/// How a thread goes through memory that it only reads.
struct ReadPattern {
  int streams = 1;     ///< equal regions read side by side: 1, 2 or 4
  bool fetch = false;  ///< asks for lines well before they are needed
};

/// A block of consecutive tokens against the cache, for the query heads that share one kv head.
struct AttendTile {
  CacheFormat format;
  int64_t tokens, group, head_dim;
  const float* q;  ///< [tokens, q_stride], of which the first [group, head_dim] are read
  int64_t q_stride;
  float* out;  ///< [tokens, out_stride], of which the first [group, head_dim] are written
  int64_t out_stride;
  float scale;       ///< 1 / sqrt(head_dim)
  int64_t window;    ///< positions that a token sees, its own included; 0: all before it
  int64_t position;  ///< of the first token
  /// What the tokens see of these blocks is what they attend to. A row's sums are added up in the
  /// same order in whatever tile it is.
  std::span<const KvBlock> blocks;
  int64_t first;      ///< position of the first block, a multiple of kTileKeys
  KvBlock next = {};  ///< what will be read after these, or null
  /// [tokens * group] each, or null. Not null: `out` gets the sum of each row's values weighted
  /// with e^(score - largest), `total` the sum of these weights; a row that sees nothing has a
  /// total of 0. Null: `out` is the weighted mean.
  float* largest = nullptr;
  float* total = nullptr;
  /// Up to kMostFewRows rows get the bits that they would have in a tile of kFewRows.
  bool as_few = false;
};
/// Rows (tokens * group) that take keys and values out of the cache as they are; more share packed
/// ones.
inline constexpr int64_t kFewRows = 8, kMostFewRows = 64;
inline bool is_few(const AttendTile& tile) {
  return tile.as_few || tile.tokens * tile.group <= kFewRows;
}
/// What each part of the scratch rounds up to.
inline constexpr int64_t kTilePadding = 32;
inline constexpr int64_t tile_padded(int64_t count) {
  return (count + kTilePadding - 1) / kTilePadding * kTilePadding;
}
/// Floats of scratch for a tile of `rows` = tokens * group, whatever the number of entries. Whole
/// blocks of rows, which is what AMX computes.
inline constexpr int64_t attend_tile_scratch(int64_t rows, int64_t head_dim) {
  return bf16_blocks(rows) * kBf16Rows * (2 * tile_padded(head_dim) + kTileKeys) +
         2 * kTileKeys * tile_padded(head_dim) + 11 * tile_padded(rows);
}

/// Arithmetic done by a loop that touches no memory.
struct MachineWork {
  double operations;  ///< multiplications and additions, each counted
  float check;        ///< depends on all of them, so that none is left out
};

struct Kernels {
  const char* name;  ///< "amx", "avx512-vnni", "avx512", ..., "scalar"

  /// y[r, 16 * p + i] = sum_k w[16 * p + i, k] * x[r, k] for panels p in [begin, end). f32, f16,
  /// bf16 weights. x [rows, x_stride]; y [rows, y_stride]; columns of y past `out_rows` are not
  /// written.
  void (*matmul_float)(Format format, const std::byte* w, int64_t out_rows, int64_t cols,
                       int64_t begin, int64_t end, const float* x, int64_t x_stride, int64_t rows,
                       float* y, int64_t y_stride);
  /// The same for weights in blocks and quantized activations.
  void (*matmul_q8)(Format format, const std::byte* w, int64_t out_rows, int64_t cols,
                    int64_t begin, int64_t end, const Q8Rows& x, int64_t rows, float* y,
                    int64_t y_stride);
  /// Quantizes one row x [cols] into row `row` of `out`: scale = max |x| / 127, round to nearest
  /// even.
  void (*quantize_q8)(const float* x, int64_t cols, int64_t row, const Q8Rows& out);

  /// The same for weights of 4 and 5 bits and many rows, over groups of 256 columns (simd/wide.h).
  /// Null where the instruction set multiplies bytes no faster this way. rows <= 16 * x.blocks.
  void (*matmul_wide)(Format format, const std::byte* w, int64_t out_rows, int64_t cols,
                      int64_t begin, int64_t end, const WideRows& x, int64_t rows, float* y,
                      int64_t y_stride);
  /// Quantizes `cols` (up to 256) values x, those of `group` of row `row`, into `out`: scale = max
  /// |x| / 127, round to nearest even. Null where matmul_wide is.
  void (*quantize_wide)(const float* x, int64_t cols, int64_t group, int64_t row,
                        const WideRows& out);

  /// The same for bf16, q8_0 and q6_k weights in bf16 (simd/bf16_rows.h). Null without AMX.
  /// rows <= 16 * x.blocks.
  void (*matmul_bf16)(Format format, const std::byte* w, int64_t out_rows, int64_t cols,
                      int64_t begin, int64_t end, const Bf16Rows& x, int64_t rows, float* y,
                      int64_t y_stride) = nullptr;
  /// Splits x [cols] into row `row` of `out`: high rounded to nearest even, low what is left of it.
  /// Null where matmul_bf16 is.
  void (*split_bf16)(const float* x, int64_t cols, int64_t row, const Bf16Rows& out) = nullptr;

  /// out = x / sqrt(mean(x^2) + eps) * gain; all [cols].
  void (*rmsnorm)(const float* x, const float* gain, float eps, int64_t cols, float* out);
  /// gate = silu(gate) * up; both [count].
  void (*swiglu)(float* gate, const float* up, int64_t count);
  /// y += a * x; both [count].
  void (*axpy)(float a, const float* x, float* y, int64_t count);
  /// Rotates pairs (x[i], x[i + half]) by the angles of cosine, sine [half].
  void (*rope)(float* x, const float* cosine, const float* sine, int64_t half);
  /// A key or value x [head_dim] as an entry of the cache, for put_key() and put_value().
  void (*to_cache)(CacheFormat format, const float* x, std::byte* entry, int64_t head_dim);
  /// Attention of a block of tokens; scratch [attend_tile_scratch(tokens * group, head_dim)],
  /// aligned to 64 bytes. A row has the same bits in any tile. With AMX, 2-byte caches meet queries
  /// and weights that are each the sum of two bf16 numbers; with AVX-512 VNNI and AVX-VNNI, many
  /// rows and caches other than f32 meet in integers of 16 bits.
  void (*attend_tile)(const AttendTile& tile, float* scratch);

  /// Reads [data, data + bytes), whole words, and does next to nothing with it: the bound of
  /// decode. Returns the xor of all words.
  uint32_t (*read_memory)(const std::byte* data, int64_t bytes, ReadPattern pattern);
  /// Float multiply-adds, and the int8 dots of matmul_q8, in registers: the bounds of prefill.
  MachineWork (*spin_float)(int64_t rounds);
  MachineWork (*spin_int8)(int64_t rounds);
  /// The same of AMX's tile products; null without AMX.
  MachineWork (*spin_amx_int8)(int64_t rounds) = nullptr;
  MachineWork (*spin_amx_bf16)(int64_t rounds) = nullptr;
};

/// The best this machine can run, or the one that OCTAVO_ISA names (read once).
const Kernels& kernels();
/// The table of that name; null: not on this machine. "avx512", "avx2" and "neon" take the one with
/// dot-product instructions where there is one, "avx512-plain" and so on the one without.
const Kernels* find_kernels(std::string_view isa);
/// The name that find_kernels() takes for this very table.
std::string isa_name(const Kernels& table);
/// Every table this machine can run, best first, the scalar twin last.
const std::vector<const Kernels*>& all_kernels();
/// The plainly right twin.
const Kernels& scalar_kernels();
/// AMX's tables for tests, null without AVX-512 VNNI: with its tiles emulated, and with the real
/// instructions even where the machine lacks them, so that the test has to catch them.
const Kernels* emulated_amx_kernels();
const Kernels* unchecked_amx_kernels();

}  // namespace octavo
