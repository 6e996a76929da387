// For tests of kernels: values in the emulated card's memory, and every test in several orders of
// the threads, so that a missing barrier shows.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "backend/cuda/kernels/types.h"
#include "backend/cuda/memory.h"
#include "core/tensor.h"
#include "cuda_emulation/emulation.h"

namespace octavo::test {

/// T [count] in device memory.
template <class T>
class DeviceValues {
 public:
  explicit DeviceValues(const std::vector<T>& values)
      : buffer_(static_cast<int64_t>(values.size()), "a test") {
    upload(values.data());
  }
  /// The bytes of a tensor.
  explicit DeviceValues(const TensorView& view) : buffer_(view.bytes, "a test"), view_(view) {
    upload(view.data);
  }
  T* data() const { return buffer_.data(); }
  cuda::Matrix matrix() const {
    return {view_.format, view_.order, view_.rows, view_.cols, buffer_.data()};
  }
  /// What is there after all that `stream` was given.
  std::vector<T> read(const cuda::OwnedStream& stream) const {
    std::vector<T> values(static_cast<size_t>(buffer_.count()));
    cuda::to_host(buffer_.data(), buffer_.count(), values.data(), stream);
    stream.wait();
    return values;
  }

 private:
  void upload(const T* values) {
    const cuda::OwnedStream stream;
    cuda::to_device(values, buffer_.count(), buffer_.data(), stream);
    stream.wait();
  }

  cuda::Buffer<T> buffer_;
  TensorView view_;
};

/// The parameter: the order in which threads go on.
class CudaKernelTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override { cuda_emulation::set_order(GetParam()); }
  void TearDown() override { cuda_emulation::set_order(0); }
  const cuda::OwnedStream& stream() const { return stream_; }

 private:
  cuda::OwnedStream stream_;
};

#define OCTAVO_IN_EVERY_ORDER(suite) \
  INSTANTIATE_TEST_SUITE_P(Order, suite, ::testing::Values(0, 1, 2))

}  // namespace octavo::test
