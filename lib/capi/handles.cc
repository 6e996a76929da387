#include "capi/handles.h"

#include <atomic>

namespace octavo::capi {

uintptr_t new_handle_number() {
  static std::atomic<uintptr_t> count = 0;
  // An odd factor gives every count a number of its own, and none that a stray small number or
  // pointer is likely to be.
  constexpr uintptr_t kFactor = 0x9E3779B97F4A7C15;
  return (count.fetch_add(1) + 1) * kFactor;
}

}  // namespace octavo::capi
