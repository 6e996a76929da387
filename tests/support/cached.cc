#include "support/cached.h"

#include <cmath>
#include <utility>

#include "quant/float16.h"
#include "support/compare.h"

namespace octavo::test {
namespace {

float narrowed(CacheFormat format, float value) {
  switch (format) {
    case CacheFormat::kF32:
      return value;
    case CacheFormat::kF16:
      return f16_to_f32(f32_to_f16(value));
    case CacheFormat::kBF16:
      return bf16_to_f32(f32_to_bf16(value));
  }
  return NAN;
}

}  // namespace

Cached::Cached(CacheFormat format, std::vector<float> x)
    : bytes((format == CacheFormat::kF32 ? 4 : 2) * x.size()), values(std::move(x)) {
  scalar_kernels().to_cache(format, values.data(), bytes.data(),
                            static_cast<int64_t>(values.size()));
  for (float& value : values) value = narrowed(format, value);
}

// A low part is 2^-8 of its number at most, what two parts miss of a float 2^-17; the cache's
// numbers are whole in theirs.
ProductError split_product_error(CacheFormat format) {
  switch (format) {
    case CacheFormat::kF32:
      return {};
    case CacheFormat::kF16:
      return {0x1p-17 + 0x1p-16, 3};
    case CacheFormat::kBF16:
      return {0x1p-17, 2};
  }
  return {};
}

Matrix attention_bound(const Matrix& q, const Matrix& keys, const Matrix& values,
                       ProductError error) {
  const int64_t head_dim = keys.cols();
  const double largest_key = keys.rowwise().norm().maxCoeff();
  const double score_product = error.relative + sum_error(error.products * head_dim);
  const double value_product = error.relative + sum_error(error.products * keys.rows());
  Matrix bound(q.rows(), q.cols());
  for (int64_t r = 0; r < q.rows(); ++r) {
    for (int64_t g = 0; g < q.cols(); g += head_dim) {
      const double norm = q.block(r, g, 1, head_dim).norm();
      const double score_error =
          norm * largest_key / std::sqrt(static_cast<double>(head_dim)) * score_product;
      const double relative = std::expm1(2 * score_error) + 1e-6 + value_product;
      bound.block(r, g, 1, head_dim).setConstant(relative * values.cwiseAbs().maxCoeff());
    }
  }
  return bound;
}

}  // namespace octavo::test
