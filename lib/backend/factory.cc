// The list of backends: the one place that knows which are in this build.
#include <algorithm>

#include "backend/backend.h"
#include "backend/cpu/cpu_device.h"
#include "backend/split_backend.h"
#include "core/error.h"
#if defined(OCTAVO_CUDA)
#include "backend/cuda/cuda_device.h"
#endif

namespace octavo {

std::vector<std::string> backend_names() {
#if defined(OCTAVO_CUDA)
  return {"cpu", "cuda"};
#else
  return {"cpu"};
#endif
}

std::shared_ptr<Device> make_device(std::string_view name) {
  if (name == "cpu") return make_cpu_device();
#if defined(OCTAVO_CUDA)
  if (name == "cuda") return cuda::make_cuda_device();
#endif
  if (name == "cuda") {
    fail(ErrorCode::kUnsupported, "this build of octavo has no CUDA backend; nvcc was not there");
  }
  std::string names;
  for (const std::string& one : backend_names()) names += (names.empty() ? "" : ", ") + one;
  fail(ErrorCode::kUnsupported, "unknown device '{}': this build has {}", name, names);
}

std::shared_ptr<Device> make_device(std::string_view name, const Offload& offload, int64_t layers) {
  const bool whole = offload.gpu_layers < 0 || offload.gpu_layers >= layers;
  if (whole && !offload.experts_on_cpu) return make_device(name);
  if (name != "cuda") {
    fail(ErrorCode::kInvalidArgument,
         "layers and experts are shared out between GPU and CPU with device cuda alone, not {}",
         name);
  }
  std::shared_ptr<Device> gpu = make_device(name);
  const int64_t on_gpu = whole ? layers : offload.gpu_layers;
  return make_split_device(std::move(gpu), make_device("cpu"),
                           {layers, layers - on_gpu, offload.experts_on_cpu});
}

}  // namespace octavo
