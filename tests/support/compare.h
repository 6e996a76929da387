// Comparisons whose tolerance is derived, not guessed.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "quant/format.h"
#include "simd/bf16_rows.h"
#include "simd/wide.h"
#include "support/backend_fixture.h"
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

/// From how many rows on a product with weights of 4 and 5 bits may bring both sides to int8 with
/// one scale for 256 columns (simd/wide.h).
inline constexpr int64_t kWideLeastRows = 16;
/// The formats that they take.
std::vector<Format> wide_formats();
/// And with q8_0 and q6_k weights both sides to bf16 (simd/bf16_rows.h).
inline bool may_be_packed(Format weights) {
  return is_wide(weights) || (is_bf16(weights) && weights != Format::kBF16);
}
inline bool may_be_packed(Format weights, int64_t rows) {
  return may_be_packed(weights) && rows >= kWideLeastRows;
}
/// How far rounding to bf16 moves a number, relative to it.
inline constexpr double kBf16Rounding = 0x1p-8;

/// How far each activation may move before a weight of this format meets it: half a step of its
/// block of 32, or of 256 where `packed`, where the kernel multiplies int8; 16 bits of mantissa for
/// bf16, whose products may take activations as the sum of two bf16 numbers; not at all for f32 and
/// f16.
Matrix activation_error(const Matrix& x, Format weights, bool packed = false);

/// The largest error of x * w^T through a backend: activations moved by activation_error, weights
/// by `shift` (as of PackedMatrix) where `packed`, then a float32 sum; for packed q8_0 and q6_k,
/// whichever of int8 and bf16 is further off.
Matrix product_bound(const Matrix& x, const TestWeight& w, bool packed);

/// The root mean square of the error that rounding both sides should make in x * w^T, all
/// values together; errors of the single activations are independent and even within their step.
double product_noise(const Matrix& x, const TestWeight& w, bool packed);

}  // namespace octavo::test
