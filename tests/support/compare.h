// Comparisons whose tolerance is derived, not guessed.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>

#include "quant/format.h"
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

/// How far each activation may move before a weight of this format meets it: half a step of its
/// block of 32 where the kernel multiplies int8; 16 bits of mantissa for bf16, whose products may
/// take activations as the sum of two bf16 numbers; not at all for f32 and f16.
Matrix activation_error(const Matrix& x, Format weights);

/// The largest error of x * w^T through a backend: activations moved by activation_error, then a
/// float32 sum.
Matrix product_bound(const Matrix& x, Format weights, const Matrix& values,
                     const Matrix& magnitudes);

/// The root mean square of the error that rounding activations to int8 should make in x * w^T, all
/// values together; errors of the single activations are independent and even within their step.
double product_noise(const Matrix& x, Format weights, const Matrix& values);

}  // namespace octavo::test
