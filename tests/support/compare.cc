#include "support/compare.h"

#include <cmath>

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

}  // namespace octavo::test
