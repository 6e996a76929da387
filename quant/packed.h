// The r16k4 packed order: 16 rows interleaved, one 64-byte line is 16 rows x 4 bytes.
// docs/format.md has the picture; every index below follows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "quant/format.h"

namespace octavo {

/// Arranges `rows` (1..16) row-order rows, `src_stride` bytes apart, as one panel of packed tiles.
/// Missing rows and columns become zeros. dst holds packed_panel_bytes(format, cols).
void pack_panel(Format format, const std::byte* src, int64_t src_stride, int rows, int64_t cols,
                std::byte* dst);

/// The way back: `rows` (1..16) rows of one panel in row order. Exact inverse of pack_panel.
void unpack_panel(Format format, const std::byte* src, int rows, int64_t cols, std::byte* dst,
                  int64_t dst_stride);

/// Values of row `row` of a packed [.., cols] matrix. dst [cols].
void dequantize_packed_row(Format format, const std::byte* matrix, int64_t row,
                           std::span<float> dst);

}  // namespace octavo
