// Comparisons whose tolerance is derived, not guessed.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>

#include "support/matrix.h"

namespace octavo::test {

/// |actual - expected| <= bound, value by value; NaN fails. Says which value differs most.
::testing::AssertionResult within(const Matrix& actual, const Matrix& expected,
                                  const Matrix& bound);

/// How far a float32 sum of `terms` products may be from the exact one, relative to the sum of the
/// products' magnitudes: each addition rounds once (Higham's gamma_n), a few roundings more for
/// scales.
inline double sum_error(int64_t terms) { return static_cast<double>(terms + 16) * 0x1p-24; }

/// Bounds of x * w^T [rows, outputs] computed in float32; magnitudes as of PackedMatrix.
inline Matrix matmul_bound(const Matrix& x, const Matrix& magnitudes) {
  const Matrix bound = x.cwiseAbs() * magnitudes.transpose() * sum_error(x.cols());
  return (bound.array() + 1e-36).matrix();  // subnormal results have no relative precision
}

}  // namespace octavo::test
