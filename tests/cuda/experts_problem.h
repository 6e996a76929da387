// Experts of one layer on the emulated card, and which of them each row uses.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "backend/cuda/kernels/experts_few.h"
#include "backend/cuda/kernels/experts_tiles.h"
#include "cuda/product_problem.h"

namespace octavo::test {

struct ExpertShape {
  int64_t experts, top_k, dim, ffn;
};

class ExpertsProblem {
 public:
  /// Formats are drawn from `formats` for each matrix; `mixed`: w1 and w3 may differ.
  ExpertsProblem(const ExpertShape& shape, const std::vector<Format>& formats, bool mixed,
                 Random& random);

  const ExpertShape& shape() const { return shape_; }
  const cuda::Experts& device() const { return device_; }
  const DeviceWeight& w1(int32_t e) const { return w1_[static_cast<size_t>(e)]; }
  const DeviceWeight& w3(int32_t e) const { return w3_[static_cast<size_t>(e)]; }
  const DeviceWeight& w2(int32_t e) const { return w2_[static_cast<size_t>(e)]; }
  std::string describe(int64_t rows) const;

 private:
  ExpertShape shape_;
  std::deque<DeviceWeight> w1_, w3_, w2_;
  DeviceValues<cuda::ExpertMatrices> matrices_;
  cuda::Experts device_;
};

/// top_k different experts for each row, and their weights.
struct Decisions {
  Decisions(const ExpertShape& shape, int64_t rows, Random& random);

  std::vector<int32_t> experts;
  std::vector<float> weights;
};

/// How far silu(gate) * up may be when gate and up are off by these bounds.
Matrix hidden_bound(const Matrix& gate, const Matrix& gate_error, const Matrix& up,
                    const Matrix& up_error);

}  // namespace octavo::test
