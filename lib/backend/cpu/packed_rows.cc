#include "backend/cpu/packed_rows.h"

#include <algorithm>

#include "backend/cpu/dense_matmul.h"

namespace octavo {
namespace {

constexpr int64_t kBf16Tile = kBf16Rows * kBf16Cols;

// Values of a scratch of PackedRows that has that kernel.
int64_t room(bool wanted, int64_t count) { return wanted ? count : 0; }

bool has_wide(const Kernels& kernels) { return kernels.matmul_wide != nullptr; }
bool has_bf16(const Kernels& kernels) { return kernels.matmul_bf16 != nullptr; }

// Tiles `tiles` on.
Bf16Rows after_tiles(const Bf16Rows& x, int64_t tiles) {
  const int64_t at = tiles * kBf16Tile;
  return {x.high + at, x.low == nullptr ? nullptr : x.low + at, x.blocks};
}

}  // namespace

PackedRows PackedRows::after(int64_t b) const {
  if (packing == RowPacking::kWide) return {packing, wide.after(b), {}};
  return {packing, {}, after_tiles(bf16, b)};
}

PackedScratch::PackedScratch(const Kernels& kernels, int64_t blocks, int64_t cols)
    : q_(room(has_wide(kernels), blocks * kWideRows * wide_groups(cols) * kWideCols)),
      scale_(room(has_wide(kernels), blocks * kWideRows * wide_groups(cols))),
      sum_(room(has_wide(kernels), blocks * kWideRows * wide_groups(cols))),
      high_(room(has_bf16(kernels), blocks * bf16_steps(cols) * kBf16Tile)),
      low_(room(has_bf16(kernels) && !DenseMatmul::available(),
                blocks * bf16_steps(cols) * kBf16Tile)) {}

PackedRows PackedScratch::rows(RowPacking packing, int64_t first, int64_t blocks,
                               int64_t cols) const {
  if (packing == RowPacking::kWide) {
    const int64_t at = first * kWideRows * wide_groups(cols);
    return {
        packing, {q_.data() + at * kWideCols, scale_.data() + at, sum_.data() + at, blocks}, {}};
  }
  const int64_t at = first * bf16_steps(cols) * kBf16Tile;
  uint16_t* low = packing == RowPacking::kBf16Pair ? low_.data() + at : nullptr;
  return {packing, {}, {high_.data() + at, low, blocks}};
}

void pack_group(const Kernels& kernels, const float* x, int64_t count, int64_t group, int64_t row,
                const PackedRows& out) {
  if (out.packing == RowPacking::kWide) {
    kernels.quantize_wide(x, count, group, row, out.wide);
  } else {
    const int64_t steps = group * (kPackedCols / kBf16Cols);
    kernels.split_bf16(x, count, row, after_tiles(out.bf16, steps * out.bf16.blocks));
  }
}

void pack_row(const Kernels& kernels, const float* x, int64_t cols, int64_t row,
              const PackedRows& out) {
  for (int64_t group = 0; group < packed_groups(cols); ++group) {
    const int64_t first = group * kPackedCols;
    pack_group(kernels, x + first, std::min(cols - first, kPackedCols), group, row, out);
  }
}

void multiply_packed(const Kernels& kernels, const TensorView& w, int64_t begin, int64_t end,
                     const PackedRows& x, int64_t rows, float* y, int64_t y_stride) {
  if (x.packing == RowPacking::kWide) {
    kernels.matmul_wide(w.format, w.data, w.rows, w.cols, begin, end, x.wide, rows, y, y_stride);
  } else {
    kernels.matmul_bf16(w.format, w.data, w.rows, w.cols, begin, end, x.bf16, rows, y, y_stride);
  }
}

}  // namespace octavo
