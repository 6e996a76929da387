// The list of backends: the one place that knows which are in this build.
#include "backend/backend.h"
#include "backend/cpu/cpu_device.h"
#include "core/error.h"

namespace octavo {

std::vector<std::string> backend_names() { return {"cpu"}; }

std::shared_ptr<Device> make_device(std::string_view name) {
  if (name == "cpu") return make_cpu_device();
  fail(ErrorCode::kUnsupported, "unknown device '{}': this build has cpu", name);
}

}  // namespace octavo
