// The CPU as a device: weights stay in the mapped file.
#pragma once

#include <memory>

#include "backend/backend.h"
#include "simd/kernels.h"

namespace octavo {

class CpuWeight final : public Weight {
 public:
  explicit CpuWeight(const TensorView& view) : view_(view) {}
  int64_t rows() const override { return view_.rows; }
  int64_t cols() const override { return view_.cols; }
  int64_t bytes() const override { return view_.bytes; }
  const TensorView& view() const { return view_; }
  /// The values of a plain f32 vector.
  const float* floats() const { return reinterpret_cast<const float*>(view_.data); }

 private:
  TensorView view_;
};

/// With the kernels that OCTAVO_ISA names, or the best.
std::shared_ptr<Device> make_cpu_device();
/// With these.
std::shared_ptr<Device> make_cpu_device(const Kernels& kernels);

}  // namespace octavo
