// Many rows at once of a tensor that is stored transposed.
#include <algorithm>
#include <cstring>

#include "convert/source.h"
#include "quant/float16.h"

namespace octavo {
namespace {

// Columns [first, first + count) of the stored [cols, rows] as rows: each line of the source, far
// from the next one, is touched once for all of them. dst [count, tensor.cols].
template <class Stored, class ToFloat>
void read_columns(const SourceTensor& tensor, int64_t first, int64_t count, const ToFloat& to_float,
                  float* dst) {
  constexpr int64_t kTile = 16, kAhead = 32;
  const auto stride = tensor.rows * static_cast<int64_t>(sizeof(Stored));
  const std::byte* const src = tensor.file->bytes().data() + tensor.offset + first * sizeof(Stored);
  for (int64_t c = 0; c < tensor.cols; c += kTile) {
    const int64_t cols = std::min(kTile, tensor.cols - c);
    for (int64_t r = 0; r < count; r += kTile) {
      const int64_t rows = std::min(kTile, count - r);
      float tile[kTile][kTile];  // [column of the source, row of dst's block]
      for (int64_t i = 0; i < cols; ++i) {
        const std::byte* const line = src + (c + i) * stride + r * sizeof(Stored);
        if (c + i + kAhead < tensor.cols) __builtin_prefetch(line + kAhead * stride);
        Stored values[kTile] = {};
        std::memcpy(values, line, static_cast<size_t>(rows) * sizeof(Stored));
        for (int64_t k = 0; k < kTile; ++k) tile[i][k] = to_float(values[k]);
      }
      for (int64_t k = 0; k < rows; ++k) {
        for (int64_t i = 0; i < cols; ++i) dst[(r + k) * tensor.cols + c + i] = tile[i][k];
      }
    }
  }
}

}  // namespace

void read_rows(const SourceTensor& tensor, int64_t first, int64_t count, std::span<float> dst) {
  if (!tensor.transposed || tensor.interleaved_head_dim != 0) {
    for (int64_t r = 0; r < count; ++r) {
      read_row(tensor, first + r,
               dst.subspan(static_cast<size_t>(r * tensor.cols), static_cast<size_t>(tensor.cols)));
    }
  } else if (tensor.type == SourceType::kF32) {
    read_columns<float>(
        tensor, first, count, [](float value) { return value; }, dst.data());
  } else if (tensor.type == SourceType::kF16) {
    read_columns<uint16_t>(tensor, first, count, f16_to_f32, dst.data());
  } else {
    read_columns<uint16_t>(tensor, first, count, bf16_to_f32, dst.data());
  }
}

}  // namespace octavo
