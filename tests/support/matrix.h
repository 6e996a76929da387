// Matrices of the references: double, rows of tokens (or of outputs) by columns.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <span>
#include <vector>

namespace octavo::test {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

inline Matrix to_matrix(std::span<const float> values, int64_t rows, int64_t cols) {
  using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const Floats>(values.data(), rows, cols).cast<double>();
}

inline std::vector<float> to_floats(const Matrix& matrix) {
  std::vector<float> values(static_cast<size_t>(matrix.size()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(matrix.data()[i]);
  return values;
}

/// Largest |a - b|; infinity when either has a NaN.
inline double max_difference(const Matrix& a, const Matrix& b) {
  const Matrix difference = (a - b).cwiseAbs();
  if (!difference.allFinite()) return std::numeric_limits<double>::infinity();
  return difference.size() == 0 ? 0 : difference.maxCoeff();
}

/// Root mean square of a - b over that of b.
inline double relative_rms(const Matrix& a, const Matrix& b) { return (a - b).norm() / b.norm(); }

}  // namespace octavo::test
