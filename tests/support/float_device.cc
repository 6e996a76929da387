#include "support/float_device.h"

#include <deque>
#include <span>
#include <utility>
#include <vector>

#include "backend/cpu/cpu_device.h"
#include "quant/packed.h"
#include "simd/kernels.h"
#include "support/packed_matrix.h"

namespace octavo::test {
namespace {

/// values [rows, cols]
std::vector<float> values_of(const TensorView& matrix) {
  std::vector<float> values(static_cast<size_t>(matrix.rows * matrix.cols));
  for (int64_t r = 0; r < matrix.rows; ++r) {
    dequantize_packed_row(matrix.format, matrix.data, r,
                          std::span(values).subspan(static_cast<size_t>(r * matrix.cols),
                                                    static_cast<size_t>(matrix.cols)));
  }
  return values;
}

class FloatDevice final : public Device {
 public:
  std::string_view name() const override { return cpu_->name(); }
  std::string description() const override { return cpu_->description(); }
  WeightPtr load(const TensorView& tensor) override {
    if (tensor.order == Order::kPlain) return cpu_->load(tensor);
    matrices_.push_back(pack_values(Format::kF32, tensor.rows, tensor.cols, values_of(tensor)));
    return cpu_->load(matrices_.back().view());
  }
  std::unique_ptr<Backend> backend(const BackendLimits& limits) override {
    return cpu_->backend(limits);
  }
  MachineSpeed measure(int threads) override { return cpu_->measure(threads); }
  std::string_view prefill_unit(Format format, const MachineSpeed& speed) const override {
    return cpu_->prefill_unit(format, speed);
  }
  DeviceMemory memory() const override { return cpu_->memory(); }

 private:
  std::shared_ptr<Device> cpu_ = make_cpu_device(scalar_kernels());
  std::deque<PackedMatrix> matrices_;  // the weights are views of them
};

}  // namespace

std::shared_ptr<Device> make_float_device() { return std::make_shared<FloatDevice>(); }

}  // namespace octavo::test
