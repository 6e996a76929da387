#include "backend/cuda/cuda_device.h"

#include "backend/cuda/cuda_backend.h"
#include "core/error.h"

namespace octavo::cuda {
namespace {

/// Tensor cores that take bf16.
constexpr int kLeastMajor = 8;

/// Whatever keeps the first card from being used, as one line.
cudaDeviceProp first_card() {
  int driver = 0, runtime = 0, count = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0) {
    fail(ErrorCode::kUnsupported, "no CUDA device: this machine has no NVIDIA driver");
  }
  const cudaError_t result = cudaGetDeviceCount(&count);
  cudaGetLastError();
  if (result == cudaErrorInsufficientDriver) {
    fail(ErrorCode::kUnsupported,
         "no CUDA device: the NVIDIA driver supports CUDA {}.{}, this build needs {}.{} or later",
         driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
  }
  if (result == cudaErrorNoDevice || (result == cudaSuccess && count == 0)) {
    fail(ErrorCode::kUnsupported,
         "no CUDA device: this machine has no NVIDIA card, or none is "
         "visible (CUDA_VISIBLE_DEVICES)");
  }
  if (result != cudaSuccess) {
    fail(ErrorCode::kUnsupported, "no CUDA device: {}", cudaGetErrorString(result));
  }
  cudaDeviceProp properties = {};
  check(cudaGetDeviceProperties(&properties, 0), "asking what the card is");
  if (properties.major < kLeastMajor) {
    fail(ErrorCode::kUnsupported,
         "no CUDA device: {} is too old, compute capability {}.{}; {}.0 or later is needed",
         properties.name, properties.major, properties.minor, kLeastMajor);
  }
  return properties;
}

}  // namespace

WeightPtr CudaDevice::load(const TensorView& tensor) {
  Buffer<std::byte> memory(tensor.bytes, "a weight");
  const std::lock_guard locked(mutex_);
  if (uploader_ == nullptr) uploader_ = std::make_unique<Uploader>();
  uploader_->copy({tensor.data, static_cast<size_t>(tensor.bytes)}, memory.data());
  uploads_.fetch_add(1, std::memory_order_release);
  return std::make_shared<CudaWeight>(tensor, std::move(memory));
}

void CudaDevice::await_uploads(const OwnedStream& stream, int64_t& seen) {
  const int64_t now = uploads_.load(std::memory_order_acquire);
  if (seen == now) return;
  const std::lock_guard locked(mutex_);
  uploader_->precede(stream);
  seen = now;
}

std::unique_ptr<Backend> CudaDevice::backend(const BackendLimits& limits) {
  return std::make_unique<CudaBackend>(limits, shared_from_this());
}

DeviceMemory CudaDevice::memory() const {
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "asking for the free memory");
  return {static_cast<int64_t>(total), static_cast<int64_t>(free)};
}

std::shared_ptr<Device> make_cuda_device() {
  const cudaDeviceProp card = first_card();
  check(cudaSetDevice(0), "choosing the card");
  constexpr double kGiB = 1 << 30;
  return std::make_shared<CudaDevice>(
      fmt::format("cuda, {}, compute capability {}.{}, {:.1f} GiB", card.name, card.major,
                  card.minor, static_cast<double>(card.totalGlobalMem) / kGiB),
      fmt::format("sm_{}{}", card.major, card.minor), card.multiProcessorCount);
}

}  // namespace octavo::cuda
