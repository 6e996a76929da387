// Many rows at once of a tensor that is stored transposed.
#include <algorithm>
#include <cstring>

#include "convert/source.h"
#include "quant/float16.h"

namespace octavo {
namespace {

constexpr int64_t kTile = 16, kAhead = 16;

// A tile of the source, lines `stride` bytes apart: dst [rows, dst_stride] = src [cols, rows]^T.
template <class Stored, class ToFloat>
inline void read_tile(const std::byte* src, int64_t stride, int64_t rows, int64_t cols,
                      const ToFloat& to_float, float* dst, int64_t dst_stride) {
  Stored tile[kTile][kTile] = {};  // [row of dst, column of dst]
  for (int64_t c = 0; c < cols; ++c) {
    Stored line[kTile] = {};
    std::memcpy(line, src + c * stride, static_cast<size_t>(rows) * sizeof(Stored));
    for (int64_t r = 0; r < kTile; ++r) tile[r][c] = line[r];
  }
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) dst[r * dst_stride + c] = to_float(tile[r][c]);
  }
}

// Columns [first, first + count) of the stored [cols, rows] as rows: each line of the source, far
// from the next one, is touched once for all of them. dst [count, tensor.cols].
template <class Stored, class ToFloat>
void read_columns(const SourceTensor& tensor, int64_t first, int64_t count, const ToFloat& to_float,
                  float* dst) {
  const auto stride = tensor.rows * static_cast<int64_t>(sizeof(Stored));
  const std::byte* const src = tensor.file->bytes().data() + tensor.offset + first * sizeof(Stored);
  for (int64_t c = 0; c < tensor.cols; c += kTile) {
    const int64_t cols = std::min(kTile, tensor.cols - c);
    for (int64_t i = c + kAhead; i < std::min(c + kAhead + kTile, tensor.cols); ++i) {
      __builtin_prefetch(src + i * stride);  // no processor guesses such strides
    }
    for (int64_t r = 0; r < count; r += kTile) {
      const int64_t rows = std::min(kTile, count - r);
      const std::byte* const from = src + c * stride + r * sizeof(Stored);
      float* const to = dst + r * tensor.cols + c;
      if (rows == kTile && cols == kTile) {  // sizes that the compiler knows make it fast
        read_tile<Stored>(from, stride, kTile, kTile, to_float, to, tensor.cols);
      } else {
        read_tile<Stored>(from, stride, rows, cols, to_float, to, tensor.cols);
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
