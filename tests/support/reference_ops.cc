#include "support/reference_ops.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace octavo::test {

Matrix reference_rmsnorm(const Matrix& x, const Matrix& gain, double eps) {
  Matrix out = x;
  for (Eigen::Index r = 0; r < x.rows(); ++r) {
    const double mean_square = x.row(r).squaredNorm() / static_cast<double>(x.cols());
    out.row(r) = x.row(r).cwiseProduct(gain.row(0)) / std::sqrt(mean_square + eps);
  }
  return out;
}

void reference_rope(Matrix& x, int64_t head_dim, double theta, int64_t first) {
  const int64_t half = head_dim / 2;
  for (Eigen::Index r = 0; r < x.rows(); ++r) {
    for (Eigen::Index head = 0; head < x.cols(); head += head_dim) {
      for (int64_t i = 0; i < half; ++i) {
        const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(head_dim);
        const double angle = static_cast<double>(first + r) * std::pow(theta, exponent);
        double& a = x(r, head + i);
        double& b = x(r, head + i + half);
        const double rotated = a * std::cos(angle) - b * std::sin(angle);
        b = b * std::cos(angle) + a * std::sin(angle);
        a = rotated;
      }
    }
  }
}

Matrix reference_attention(const Matrix& q, const Matrix& keys, const Matrix& values,
                           const ReferenceAttention& shape, int64_t first) {
  Matrix out = Matrix::Zero(q.rows(), q.cols());
  const int64_t size = shape.head_dim;
  const int64_t group = shape.heads / shape.kv_heads;
  for (Eigen::Index r = 0; r < q.rows(); ++r) {
    const int64_t end = first + r + 1;
    const int64_t begin = shape.window == 0 ? 0 : std::max<int64_t>(0, end - shape.window);
    for (int64_t head = 0; head < shape.heads; ++head) {
      const int64_t kv = head / group * size;
      Eigen::VectorXd scores = keys.block(begin, kv, end - begin, size) *
                               q.block(r, head * size, 1, size).transpose() /
                               std::sqrt(static_cast<double>(size));
      scores = (scores.array() - scores.maxCoeff()).exp();
      out.block(r, head * size, 1, size) =
          scores.transpose() * values.block(begin, kv, end - begin, size) / scores.sum();
    }
  }
  return out;
}

Matrix reference_swiglu(const Matrix& gate, const Matrix& up) {
  return (gate.array() / (1 + (-gate.array()).exp()) * up.array()).matrix();
}

ReferenceRoute reference_route(std::span<const double> logits, int64_t top_k) {
  ReferenceRoute route;
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
  route.experts.assign(order.begin(), order.begin() + top_k);
  route.weights = route_weights(logits, route.experts);
  return route;
}

std::vector<double> route_weights(std::span<const double> logits,
                                  std::span<const int32_t> experts) {
  double largest = -INFINITY, sum = 0;
  for (const int32_t e : experts) largest = std::max(largest, logits[static_cast<size_t>(e)]);
  std::vector<double> weights;
  for (const int32_t e : experts) {
    weights.push_back(std::exp(logits[static_cast<size_t>(e)] - largest));
    sum += weights.back();
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

Matrix reference_expert(const Matrix& x, const ReferenceExpert& expert) {
  return reference_swiglu(x * expert.w1.transpose(), x * expert.w3.transpose()) *
         expert.w2.transpose();
}

}  // namespace octavo::test
