#include "support/backend_fixture.h"

#include <utility>

#include "octavo/error.hpp"
#if defined(OCTAVO_CUDA_EMULATION)
#include "cuda_emulation/device.h"
#endif

namespace octavo::test {

std::vector<std::string> test_backend_names() {
  std::vector<std::string> names = backend_names();
#if defined(OCTAVO_CUDA_EMULATION)
  names.emplace_back(kEmulated);
#endif
  return names;
}

std::shared_ptr<Device> make_test_device(const std::string& name) {
#if defined(OCTAVO_CUDA_EMULATION)
  if (name == kEmulated) return cuda_emulation::make_device();
#endif
  return make_device(name);
}

void BackendTest::SetUp() {
  try {
    device_ = make_test_device(GetParam());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    GTEST_SKIP() << "skipped: " << error.what();
  }
}

std::unique_ptr<Backend> BackendTest::make_backend(int threads) {
  BackendLimits limits;
  limits.rows = kMostRows;
  limits.cols = kMostCols;
  limits.ffn_dim = 512;
  limits.heads = 32;
  limits.experts = 64;
  limits.top_k = 16;
  limits.context = kMostContext;
  limits.threads = threads;
  return device_->backend(limits);
}

TestWeight BackendTest::load(PackedMatrix matrix) {
  matrices_.push_back(std::move(matrix));
  const PackedMatrix& kept = matrices_.back();
  return {device_->load(kept.view()), kept.format(), kept.values(), kept.magnitudes(),
          kept.shift()};
}

TestWeight BackendTest::load_vector(std::vector<float> values) {
  vectors_.push_back(std::move(values));
  const std::vector<float>& kept = vectors_.back();
  const Matrix matrix = to_matrix(kept, 1, static_cast<int64_t>(kept.size()));
  return {device_->load(plain_view(kept)), Format::kF32, matrix, matrix.cwiseAbs(),
          Matrix::Zero(matrix.rows(), matrix.cols())};
}

ActivationPtr upload(Backend& backend, std::span<const float> values, int64_t cols) {
  ActivationPtr x = backend.activation(kMostRows, cols);
  backend.write(values, static_cast<int64_t>(values.size()) / cols, *x);
  return x;
}

std::vector<float> download(Backend& backend, const Activation& x, int64_t rows) {
  std::vector<float> values(static_cast<size_t>(rows * x.cols()));
  backend.read(x, 0, rows, values);
  return values;
}

Matrix download_matrix(Backend& backend, const Activation& x, int64_t rows) {
  return to_matrix(download(backend, x, rows), rows, x.cols());
}

}  // namespace octavo::test
