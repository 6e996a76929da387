// Launchers of attention: rotate and append, attend, shift. Pointers are device memory.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/kv_view.h"
#include "backend/cuda/kernels/types.h"

namespace octavo::cuda {

/// Rows of one call of attention: row r is the token at *position + first + r.
struct AttentionRows {
  float* q;        ///< [rows, heads * head_dim]
  const float* k;  ///< [rows, kv_heads * head_dim]
  const float* v;  ///< [rows, kv_heads * head_dim]
  float* out;      ///< [rows, heads * head_dim]
  int32_t rows, heads;
  const int32_t* position;  ///< device memory, so that a captured graph can be replayed
  int32_t first;
  const float* frequencies;  ///< [head_dim / 2] of the rotary embedding, f32
  bool operator==(const AttentionRows&) const = default;
};

/// Rotates q in place by its position (half-split pairs), and appends k, rotated, and v.
void rope_append(const AttentionRows& rows, const KvView& cache, Stream stream);

/// Keys of a part of the sequence, from a multiple of it on.
inline constexpr int kAttendPart = 128;
/// Largest kv_row that attend_few takes.
inline constexpr int kAttendFewRow = 256;
/// Parts that the keys before `positions` make at most, with a window or without.
constexpr int attend_parts(int64_t positions, int64_t window) {
  const int64_t seen = window > 0 && window < positions ? window + kAttendPart - 1 : positions;
  return static_cast<int>((seen + kAttendPart - 1) / kAttendPart);
}
/// Floats of attend_few's scratch.
constexpr int64_t attend_scratch(int64_t rows, int64_t heads, int row, int parts) {
  return rows * heads * parts * (row + 2);
}

/// Decode: each row and kv head, split over the keys in parts of kAttendPart, whose sums are merged
/// in order (flash-decoding). A row gives the same bits in any company. `parts`: at least
/// attend_parts(last position + 1, window); more cost a little and change nothing. Leaves `out` in
/// q8 too, unless q8.q is null; for head_dim a multiple of 32 and rows of whole q8 blocks.
void attend_few(const AttentionRows& rows, const KvView& cache, int parts, float* scratch,
                const Q8& q8, Stream stream);

/// Whether attend_tiles takes the cache: 16-bit and q8_0 numbers, head_dim up to 128.
bool attends_in_tiles(const KvView& cache);
/// Prefill: 64 query rows of a kv head's group at a time on tensor cores, online softmax
/// (FlashAttention-2, arXiv 2307.08691). f16 products, sums in f32.
void attend_tiles(const AttentionRows& rows, const KvView& cache, Stream stream);

/// Any cache and any rows in plain f32 arithmetic, one warp a row and head: what the others are
/// tested against, and what takes the shapes that they do not.
void attend_plain(const AttentionRows& rows, const KvView& cache, Stream stream);

/// Entries that move down by `by`: read_shifted copies positions [first, first + count) of `layers`
/// layers to scratch, keys rotated back and rounded to the cache's type again; write_shifted puts
/// them to [first - by, ...). Two steps, for sources and destinations may overlap.
struct ShiftedEntries {
  int32_t layers, count;
  int64_t first, by;
  int64_t layer_bytes;       ///< from one layer of a page to the next
  const float* frequencies;  ///< [head_dim / 2]
  std::byte* scratch;        ///< shift_scratch bytes
};
constexpr int64_t shift_scratch(const KvView& cache, int64_t layers, int64_t count) {
  return layers * count * cache.kv_heads * 2 * (cache.side_bytes / kKvPage);
}
void read_shifted(const ShiftedEntries& entries, const KvView& cache, Stream stream);
void write_shifted(const ShiftedEntries& entries, const KvView& cache, Stream stream);

}  // namespace octavo::cuda
