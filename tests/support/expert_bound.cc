#include "support/expert_bound.h"

#include "support/compare.h"

namespace octavo::test {

Matrix expert_bound(const Matrix& x, const TestExpert& expert, bool packed) {
  const auto product = [&](const TestWeight& w) {
    return product_bound(x, w, packed && may_be_packed(w.format));
  };
  const Matrix gate = x * expert.w1.values.transpose(), up = x * expert.w3.values.transpose();
  const Matrix gate_error = product(expert.w1), up_error = product(expert.w3);
  const Matrix hidden = reference_swiglu(gate, up);
  const Matrix silu = reference_swiglu(gate, Matrix::Ones(gate.rows(), gate.cols()));
  const Matrix hidden_error = 1.1 * gate_error.cwiseProduct(up.cwiseAbs() + up_error) +
                              silu.cwiseAbs().cwiseProduct(up_error) + 1e-6 * hidden.cwiseAbs();
  const Matrix largest = hidden.cwiseAbs() + hidden_error;
  return hidden_error * expert.w2.values.cwiseAbs().transpose() +
         product_bound(largest, expert.w2, packed && may_be_packed(expert.w2.format));
}

}  // namespace octavo::test
