// In builds without oneDNN: the own kernels do all products.
#include "backend/cpu/dense_matmul.h"

namespace octavo {

struct DenseMatmul::Impl {};

bool DenseMatmul::available() { return false; }

DenseMatmul::DenseMatmul(int) {}
DenseMatmul::~DenseMatmul() = default;

int64_t DenseMatmul::run(Format, const std::byte*, int64_t, int64_t, const float*, int64_t, int64_t,
                         float*, int64_t) {
  return 0;
}

}  // namespace octavo
