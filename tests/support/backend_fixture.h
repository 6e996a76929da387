// The op suite's fixture: one device by name, weights and activations on it.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "support/matrix.h"
#include "support/packed_matrix.h"

namespace octavo::test {

/// The CUDA backend over tests/cuda_emulation.
inline constexpr const char* kEmulated = "cuda_emulated";
/// backend_names(), and kEmulated where it is built.
std::vector<std::string> test_backend_names();
/// make_device() for those.
std::shared_ptr<Device> make_test_device(const std::string& name);

/// A matrix on the device and what is known of it.
struct TestWeight {
  WeightPtr weight;
  Format format;
  Matrix values;
  Matrix magnitudes, shift;  ///< as of PackedMatrix
};

/// Parameterised by test_backend_names(); a backend whose device is absent is skipped, saying why.
class BackendTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override;

  Device& device() { return *device_; }
  bool is_emulated() const { return GetParam() == kEmulated; }
  /// Ample for every case of the suite; `threads` 0: as many as the processors.
  std::unique_ptr<Backend> make_backend(int threads = 0);
  /// Puts the matrix on the device; its bytes live as long as the test.
  TestWeight load(PackedMatrix matrix);
  /// A vector of the model: a norm's gain.
  TestWeight load_vector(std::vector<float> values);

 private:
  std::shared_ptr<Device> device_;
  std::deque<PackedMatrix> matrices_;
  std::deque<std::vector<float>> vectors_;
};

/// Most rows and widest input of the suite.
inline constexpr int64_t kMostRows = 64, kMostCols = 1024, kMostContext = 4096;

/// An activation whose rows are those of `values` [rows, cols]; it holds kMostRows at most.
ActivationPtr upload(Backend& backend, std::span<const float> values, int64_t cols);
/// Rows [0, rows) as they are on the device.
std::vector<float> download(Backend& backend, const Activation& x, int64_t rows);
Matrix download_matrix(Backend& backend, const Activation& x, int64_t rows);

inline std::string backend_test_name(const ::testing::TestParamInfo<std::string>& info) {
  return info.param;
}

#define OCTAVO_FOR_ALL_BACKENDS(suite)                                                \
  INSTANTIATE_TEST_SUITE_P(Backend, suite,                                            \
                           ::testing::ValuesIn(::octavo::test::test_backend_names()), \
                           ::octavo::test::backend_test_name)

}  // namespace octavo::test
