#include "support/compare.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace octavo::test {

::testing::AssertionResult within(const Matrix& actual, const Matrix& expected,
                                  const Matrix& bound) {
  if (actual.rows() != expected.rows() || actual.cols() != expected.cols()) {
    return ::testing::AssertionFailure()
           << "[" << actual.rows() << ", " << actual.cols() << "] instead of [" << expected.rows()
           << ", " << expected.cols() << "]";
  }
  double worst = 0;
  Eigen::Index at_row = 0, at_col = 0;
  for (Eigen::Index r = 0; r < actual.rows(); ++r) {
    for (Eigen::Index c = 0; c < actual.cols(); ++c) {
      const double error = std::abs(actual(r, c) - expected(r, c));
      const double ratio = error == 0 ? 0 : error / bound(r, c);
      if (ratio <= worst) continue;  // false for NaN
      worst = std::isnan(ratio) ? INFINITY : ratio;
      at_row = r;
      at_col = c;
    }
  }
  if (worst <= 1) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "value [" << at_row << ", " << at_col << "] of [" << actual.rows() << ", "
         << actual.cols() << "] is " << actual(at_row, at_col) << " instead of "
         << expected(at_row, at_col) << ", " << worst << " times the bound of "
         << bound(at_row, at_col);
}

std::vector<Format> wide_formats() {
  std::vector<Format> formats;
  std::copy_if(all_formats().begin(), all_formats().end(), std::back_inserter(formats), is_wide);
  return formats;
}

Matrix activation_error(const Matrix& x, Format weights, bool packed) {
  Matrix error = Matrix::Zero(x.rows(), x.cols());
  if (weights == Format::kBF16) return x.cwiseAbs() * 0x1p-16;
  if (traits(weights).activation == ActivationFormat::kF32) return error;
  for (Eigen::Index r = 0; r < x.rows(); ++r) {
    const Eigen::Index group = packed && is_wide(weights) ? kWideCols : 32;
    for (Eigen::Index first = 0; first < x.cols(); first += group) {
      const Eigen::Index count = std::min(group, x.cols() - first);
      const double step = x.row(r).segment(first, count).cwiseAbs().maxCoeff() / 127;
      error.row(r).segment(first, count).setConstant(0.5001 * step);
    }
  }
  return error;
}

Matrix product_bound(const Matrix& x, const TestWeight& w, bool packed) {
  const Matrix moved = activation_error(x, w.format, packed), largest = x.cwiseAbs() + moved;
  const Matrix sum = matmul_bound(largest, w.magnitudes);
  const Matrix bound = moved * w.values.cwiseAbs().transpose() + sum;
  if (!packed) return bound;
  if (is_wide(w.format)) return bound + largest * w.shift.transpose();
  const Matrix products = x.cwiseAbs() * w.values.cwiseAbs().transpose();
  return bound.cwiseMax(products * (kBf16Rounding * (2 + kBf16Rounding)) + 1.01 * sum);
}

double product_noise(const Matrix& x, const TestWeight& w, bool packed) {
  const Matrix variance = activation_error(x, w.format, packed).cwiseAbs2() / 3;
  Matrix total = variance * w.values.cwiseAbs2().transpose();
  if (packed && is_wide(w.format)) {
    total += x.cwiseAbs2() * w.shift.cwiseAbs2().transpose();
  } else if (packed) {
    total = total.cwiseMax(x.cwiseAbs2() * w.values.cwiseAbs2().transpose() *
                           (2 * kBf16Rounding * kBf16Rounding / 3));
  }
  return std::sqrt(total.mean());
}

}  // namespace octavo::test
