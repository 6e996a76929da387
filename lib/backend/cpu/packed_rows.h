// Rows of activations packed for the kernels that take many rows at a time: int8 in groups of 256
// columns (simd/wide.h), or bf16 (simd/bf16_rows.h). Both go in blocks of 16 rows.
#pragma once

#include <cstdint>

#include "backend/cpu/memory.h"
#include "core/tensor.h"
#include "simd/kernels.h"

namespace octavo {

/// kBf16: high parts alone; kBf16Pair: high and low.
enum class RowPacking : uint8_t { kNone, kWide, kBf16, kBf16Pair };

/// Rows [blocks * 16, cols]; of the two, the one that the packing names.
struct PackedRows {
  RowPacking packing = RowPacking::kNone;
  WideRows wide;
  Bf16Rows bf16;

  /// From block `b` on.
  PackedRows after(int64_t b) const;
};
inline constexpr int64_t kPackedBlock = 16;
static_assert(kPackedBlock == kWideRows && kPackedBlock == kBf16Rows);
inline constexpr int64_t packed_blocks(int64_t rows) {
  return (rows + kPackedBlock - 1) / kPackedBlock;
}
/// Columns that are packed, and hidden columns that are computed, at a time.
inline constexpr int64_t kPackedCols = kWideCols;
inline constexpr int64_t packed_groups(int64_t cols) { return wide_groups(cols); }

/// Owned storage of PackedRows.
class PackedScratch {
 public:
  /// Room for `blocks` blocks of `cols` values in every packing that the table has kernels for.
  PackedScratch(const Kernels& kernels, int64_t blocks, int64_t cols);
  /// Blocks [first, first + blocks) of a scratch that holds rows of `cols` values.
  PackedRows rows(RowPacking packing, int64_t first, int64_t blocks, int64_t cols) const;

 private:
  PageArray<int8_t> q_;
  PageArray<float> scale_;
  PageArray<int32_t> sum_;
  PageArray<uint16_t> high_, low_;
};

/// Packs `count` values x (up to kPackedCols), those of `group` of row `row`, into `out`.
void pack_group(const Kernels& kernels, const float* x, int64_t count, int64_t group, int64_t row,
                const PackedRows& out);
/// The same for a whole row x [cols].
void pack_row(const Kernels& kernels, const float* x, int64_t cols, int64_t row,
              const PackedRows& out);
/// Panels [begin, end) of w for `rows` rows of x; y [rows, y_stride].
void multiply_packed(const Kernels& kernels, const TensorView& w, int64_t begin, int64_t end,
                     const PackedRows& x, int64_t rows, float* y, int64_t y_stride);

}  // namespace octavo
