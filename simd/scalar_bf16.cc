#include "simd/scalar_bf16.h"

#include <algorithm>
#include <vector>

#include "quant/float16.h"
#include "quant/packed.h"

namespace octavo {

void scalar_bf16_weights(Format format, const std::byte* w, int64_t row, std::span<float> weights) {
  dequantize_packed_row(format, w, row, weights);
  if (format == Format::kBF16) return;
  for (float& weight : weights) weight = nearest_bf16(weight);
}

void scalar_split_bf16(const float* x, int64_t cols, int64_t row, const Bf16Rows& out) {
  for (int64_t k = 0; k < bf16_steps(cols) * kBf16Cols; ++k) {
    const float value = k < cols ? x[k] : 0.0f;
    const int64_t at = out.row_at(k / kBf16Cols, row) + k % kBf16Cols;
    out.high[at] = f32_to_bf16(value);
    if (out.low != nullptr) out.low[at] = f32_to_bf16(value - bf16_to_f32(out.high[at]));
  }
}

void scalar_matmul_bf16(Format format, const std::byte* w, int64_t out_rows, int64_t cols,
                        int64_t begin, int64_t end, const Bf16Rows& x, int64_t rows, float* y,
                        int64_t y_stride) {
  std::vector<float> weights(static_cast<size_t>(cols));
  for (int64_t n = begin * kPanelRows; n < std::min(end * kPanelRows, out_rows); ++n) {
    scalar_bf16_weights(format, w, n, weights);
    for (int64_t r = 0; r < rows; ++r) {
      float sum = 0;
      for (int64_t k = 0; k < cols; ++k) {
        const int64_t at = x.row_at(k / kBf16Cols, r) + k % kBf16Cols;
        sum += weights[static_cast<size_t>(k)] * bf16_to_f32(x.high[at]);
        if (x.low != nullptr) sum += weights[static_cast<size_t>(k)] * bf16_to_f32(x.low[at]);
      }
      y[r * y_stride + n] = sum;
    }
  }
}

}  // namespace octavo
