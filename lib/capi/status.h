// Exceptions on the inside of the C API, statuses and messages on its outside.
#pragma once

#include <string>
#include <utility>

#include "octavo/octavo.h"

namespace octavo::capi {

/// A status that octavo::Error has no code for.
struct Failure {
  octavo_status status;
  std::string message;
};

/// Status of the exception that is being handled; keeps its message for octavo_last_error.
octavo_status status_of_current_exception() noexcept;

/// Runs `work`, and lets no exception out.
template <class Work>
octavo_status guarded(Work work) noexcept {
  try {
    work();
    return OCTAVO_OK;
  } catch (...) {
    return status_of_current_exception();
  }
}

/// Throws Failure unless the pointer is one.
void require(const void* pointer, const char* name);

}  // namespace octavo::capi
