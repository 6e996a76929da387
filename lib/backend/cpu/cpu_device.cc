#include "backend/cpu/cpu_device.h"

#include <cstdlib>
#include <string>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/dense_matmul.h"
#include "backend/cpu/machine.h"
#include "backend/cpu/memory.h"
#include "core/error.h"
#include "core/parallel.h"
#include "simd/kernels.h"

namespace octavo {
namespace {

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(const Kernels& kernels) : kernels_(kernels) {}
  std::string_view name() const override { return "cpu"; }
  std::string description() const override {
    return fmt::format("cpu, {}, {} processors", kernels_.name, available_threads());
  }
  WeightPtr load(const TensorView& tensor) override { return std::make_shared<CpuWeight>(tensor); }
  std::unique_ptr<Backend> backend(const BackendLimits& limits) override {
    return std::make_unique<CpuBackend>(limits, kernels_);
  }
  MachineSpeed measure(int threads) override {
    return {kernels_.name, resolve_threads(threads), measure_stream(threads),
            measure_units(kernels_, threads)};
  }
  std::string_view prefill_unit(Format format, const MachineSpeed& speed) const override {
    if (traits(format).activation == ActivationFormat::kQ8) return "int8";
    const bool dense = format == Format::kBF16 && DenseMatmul::available();
    return dense && speed.peak("bf16") > 0 ? "bf16" : "f32";
  }
  DeviceMemory memory() const override { return machine_memory(); }

 private:
  const Kernels& kernels_;
};

}  // namespace

std::shared_ptr<Device> make_cpu_device() {
  const char* wanted = std::getenv("OCTAVO_ISA");
  if (wanted != nullptr && find_kernels(wanted) == nullptr) {
    std::string names;
    for (const Kernels* table : all_kernels()) names += fmt::format(" {}", isa_name(*table));
    fail(ErrorCode::kUnsupported, "OCTAVO_ISA is '{}', but this machine has{}", wanted, names);
  }
  return make_cpu_device(kernels());
}

std::shared_ptr<Device> make_cpu_device(const Kernels& kernels) {
  return std::make_shared<CpuDevice>(kernels);
}

}  // namespace octavo
