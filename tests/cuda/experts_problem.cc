#include "cuda/experts_problem.h"

#include <algorithm>
#include <numeric>

#include "support/reference_ops.h"

namespace octavo::test {

ExpertsProblem::ExpertsProblem(const ExpertShape& shape, const std::vector<Format>& formats,
                               bool mixed, Random& random)
    : shape_(shape),
      matrices_(std::vector<cuda::ExpertMatrices>(static_cast<size_t>(shape.experts))) {
  const auto any = [&] {
    return formats[static_cast<size_t>(random.below(static_cast<int64_t>(formats.size())))];
  };
  std::vector<cuda::ExpertMatrices> list;
  for (int64_t e = 0; e < shape.experts; ++e) {
    const Format gate = any(), up = mixed ? any() : gate;
    w1_.push_back(random_weight(gate, shape.ffn, shape.dim, random));
    w3_.push_back(random_weight(up, shape.ffn, shape.dim, random));
    w2_.push_back(random_weight(any(), shape.dim, shape.ffn, random));
    list.push_back({w1_.back().bytes.data(), w3_.back().bytes.data(), w2_.back().bytes.data(),
                    w1_.back().format(), w3_.back().format(), w2_.back().format()});
  }
  matrices_ = DeviceValues<cuda::ExpertMatrices>(list);
  device_ = cuda::describe_experts(list, matrices_.data(), shape.dim, shape.ffn);
}

std::string ExpertsProblem::describe(int64_t rows) const {
  return std::string(format_name(w1_[0].format())) + " and " +
         std::string(format_name(w2_[0].format())) + ", top " + std::to_string(shape_.top_k) +
         " of " + std::to_string(shape_.experts) + ", dim " + std::to_string(shape_.dim) +
         ", ffn " + std::to_string(shape_.ffn) + ", rows " + std::to_string(rows);
}

Decisions::Decisions(const ExpertShape& shape, int64_t rows, Random& random) {
  std::vector<int32_t> all(static_cast<size_t>(shape.experts));
  std::iota(all.begin(), all.end(), 0);
  for (int64_t r = 0; r < rows; ++r) {
    for (size_t i = all.size() - 1; i > 0; --i) {
      std::swap(all[i], all[static_cast<size_t>(random.below(static_cast<int64_t>(i) + 1))]);
    }
    experts.insert(experts.end(), all.begin(), all.begin() + shape.top_k);
    for (int64_t i = 0; i < shape.top_k; ++i) {
      weights.push_back(static_cast<float>(random.uniform(0.1, 1)));
    }
  }
}

Matrix hidden_bound(const Matrix& gate, const Matrix& gate_error, const Matrix& up,
                    const Matrix& up_error) {
  const Matrix silu = reference_swiglu(gate, Matrix::Ones(gate.rows(), gate.cols()));
  // silu's slope is below 1.1.
  return 1.1 * gate_error.cwiseProduct(up.cwiseAbs() + up_error) +
         silu.cwiseAbs().cwiseProduct(up_error) + 1e-6 * silu.cwiseProduct(up).cwiseAbs() +
         Matrix::Constant(gate.rows(), gate.cols(), 1e-36);
}

}  // namespace octavo::test
