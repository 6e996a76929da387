#include "cuda/product_problem.h"

namespace octavo::test {

DeviceRows::DeviceRows(std::vector<float> x, int64_t rows, int64_t cols, int64_t stride,
                       const cuda::OwnedStream& stream)
    : rows_(rows),
      cols_(cols),
      stride_(stride),
      x_(x),
      q_(std::vector<int8_t>(static_cast<size_t>(rows * cuda::q8_padded(cols)), 77)),
      scale_(std::vector<float>(static_cast<size_t>(rows * cuda::q8_padded(cols) / 32), kGuard)),
      sum_(std::vector<int32_t>(static_cast<size_t>(rows * cuda::q8_padded(cols) / 32), 77)),
      high_(std::vector<uint16_t>(static_cast<size_t>(rows * cuda::bf16_padded(cols)), 0x7FFF)),
      low_(std::vector<uint16_t>(static_cast<size_t>(rows * cuda::bf16_padded(cols)), 0x7FFF)),
      stream_(stream),
      exact_(to_matrix(x, rows, stride).leftCols(cols)) {
  cuda::quantize_q8(x_.data(), stride, rows, q8(), stream);
  cuda::to_bf16_rows(x_.data(), stride, rows, bf16(), stream);
}

Matrix DeviceRows::for_few(Format format) const {
  if (traits(format).activation == ActivationFormat::kF32) return exact_;
  return q8_values(q_.read(stream_), scale_.read(stream_), rows_, cols_);
}

Matrix DeviceRows::for_tiles(Format format) const {
  if (!cuda::takes_bf16(format) || cols_ < cuda::kLeastBf16Cols) return exact_;
  const Matrix high = bf16_values(high_.read(stream_), rows_, cols_);
  return cuda::takes_low(format) ? high + bf16_values(low_.read(stream_), rows_, cols_) : high;
}

Matrix q8_values(const std::vector<int8_t>& q, const std::vector<float>& scale, int64_t rows,
                 int64_t cols) {
  Matrix values(rows, cols);
  const int64_t padded = cuda::q8_padded(cols);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t k = 0; k < cols; ++k) {
      const auto at = static_cast<size_t>(r * padded + k);
      values(r, k) = static_cast<double>(scale[at / 32]) * q[at];
    }
  }
  return values;
}

Matrix bf16_values(const std::vector<uint16_t>& numbers, int64_t rows, int64_t cols) {
  Matrix values(rows, cols);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t k = 0; k < cols; ++k) {
      const int64_t at = r * cuda::bf16_padded(cols) + cuda::bf16_place(k);
      values(r, k) = bf16_to_f32(numbers[static_cast<size_t>(at)]);
    }
  }
  return values;
}

Matrix tile_bound(const Matrix& x, Format format, const Matrix& magnitudes) {
  const Matrix sum = matmul_bound(x, magnitudes);
  // The tensor cores cut what they add instead of rounding it.
  if (format == Format::kBF16) return 2 * sum;
  if (!cuda::takes_bf16(format) || x.cols() < cuda::kLeastBf16Cols) return sum;
  return x.cwiseAbs() * magnitudes.transpose() * (2.01 * kBf16Rounding) + 1.01 * sum;
}

Matrix take_guarded(const DeviceValues<float>& values, int64_t rows, int64_t cols, int64_t stride,
                    const cuda::OwnedStream& stream) {
  const Matrix all = to_matrix(values.read(stream), rows, stride);
  const bool kept = (all.rightCols(stride - cols).array() == kGuard).all();
  EXPECT_TRUE(kept) << "columns behind the last one were written";
  return all.leftCols(cols);
}

}  // namespace octavo::test
