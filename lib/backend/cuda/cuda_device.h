// A GPU as a device: weights are copied to it once and stay as quantized as they are in the file.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>

#include "backend/backend.h"
#include "backend/cuda/kernels/types.h"
#include "backend/cuda/machine.h"
#include "backend/cuda/memory.h"
#include "backend/cuda/uploader.h"

namespace octavo::cuda {

class CudaWeight final : public Weight {
 public:
  CudaWeight(const TensorView& tensor, Buffer<std::byte> memory)
      : memory_(std::move(memory)),
        matrix_{tensor.format, tensor.order, tensor.rows, tensor.cols, memory_.data()},
        bytes_(tensor.bytes) {}
  int64_t rows() const override { return matrix_.rows; }
  int64_t cols() const override { return matrix_.cols; }
  int64_t bytes() const override { return bytes_; }
  const Matrix& matrix() const { return matrix_; }

 private:
  Buffer<std::byte> memory_;
  Matrix matrix_;
  int64_t bytes_;
};

class CudaDevice final : public Device, public std::enable_shared_from_this<CudaDevice> {
 public:
  /// `description`: what the card is called and what it has; `isa`: "sm_90".
  CudaDevice(std::string description, std::string isa, int multiprocessors)
      : description_(std::move(description)),
        isa_(std::move(isa)),
        multiprocessors_(multiprocessors) {}
  std::string_view name() const override { return "cuda"; }
  std::string description() const override { return description_; }
  WeightPtr load(const TensorView& tensor) override;
  std::unique_ptr<Backend> backend(const BackendLimits& limits) override;
  MachineSpeed measure(int) override { return measure_card(isa_, multiprocessors_); }
  std::string_view prefill_unit(Format format, const MachineSpeed&) const override {
    return format == Format::kF32 ? "f32" : "bf16";
  }
  DeviceMemory memory() const override;

  /// What `stream` is given from now on comes after all weights that were loaded; `seen` is the
  /// caller's, 0 at first.
  void await_uploads(const OwnedStream& stream, int64_t& seen);

 private:
  const std::string description_, isa_;
  const int multiprocessors_;
  std::mutex mutex_;
  std::unique_ptr<Uploader> uploader_;  // made with the first weight
  std::atomic<int64_t> uploads_ = 0;
};

/// The card that CUDA calls 0. Throws Error(kUnsupported) when there is no driver, no card, or one
/// that is too old.
std::shared_ptr<Device> make_cuda_device();

}  // namespace octavo::cuda
