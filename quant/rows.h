// Rows of values to and from row-order blocks. Scalar and plainly right: the reference of every
// kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "quant/format.h"

namespace octavo {

/// Quantizes src [cols] into row_bytes(format, cols) bytes at dst. Columns past the end of the last
/// block count as zero. For block formats the scales are searched for the least squared error,
/// weighted by `importance` [cols] where given (otherwise by the values' own magnitude as
/// documented in docs/format.md).
void quantize_row(Format format, std::span<const float> src, std::byte* dst,
                  std::span<const float> importance = {});

/// As quantize_row, but plain round-to-nearest with the block's largest value at the end of the
/// range.
void quantize_row_nearest(Format format, std::span<const float> src, std::byte* dst);

/// The values that a row-order row stands for. dst [cols].
void dequantize_row(Format format, const std::byte* src, std::span<float> dst);

}  // namespace octavo
