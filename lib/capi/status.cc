#include "capi/status.h"

#include <cstdio>
#include <exception>
#include <new>
#include <stdexcept>

#include "octavo/error.hpp"

namespace octavo::capi {
namespace {

/// Fixed, so that even the lack of memory can be told; longer messages are cut.
thread_local char last_error[1024] = "";

octavo_status keep(octavo_status status, const char* message) {
  std::snprintf(last_error, sizeof last_error, "%s", message);
  return status;
}

octavo_status status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return OCTAVO_INVALID_ARGUMENT;
    case ErrorCode::kIo:
      return OCTAVO_IO;
    case ErrorCode::kFormat:
      return OCTAVO_FORMAT;
    case ErrorCode::kUnsupported:
      return OCTAVO_UNSUPPORTED;
    case ErrorCode::kOutOfRange:
      return OCTAVO_OUT_OF_RANGE;
    case ErrorCode::kCancelled:
      return OCTAVO_CANCELLED;
  }
  return OCTAVO_INTERNAL;
}

}  // namespace

octavo_status status_of_current_exception() noexcept {
  try {
    throw;
  } catch (const Failure& failure) {
    return keep(failure.status, failure.message.c_str());
  } catch (const Error& error) {
    return keep(status_of(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return keep(OCTAVO_OUT_OF_MEMORY, "out of memory; a smaller context or model needs less");
  } catch (const std::length_error&) {  // what a container says to a size beyond all memory
    return keep(OCTAVO_OUT_OF_MEMORY, "out of memory; a smaller context or model needs less");
  } catch (const std::exception& error) {
    return keep(OCTAVO_INTERNAL, error.what());
  } catch (...) {
    return keep(OCTAVO_INTERNAL, "a callback threw what is no std::exception");
  }
}

void require(const void* pointer, const char* name) {
  if (pointer != nullptr) return;
  throw Failure{OCTAVO_INVALID_ARGUMENT, std::string(name) + " must not be NULL"};
}

}  // namespace octavo::capi

extern "C" {

const char* octavo_version(void) { return OCTAVO_VERSION; }

int32_t octavo_version_number(void) { return OCTAVO_VERSION_NUMBER; }

const char* octavo_last_error(void) { return octavo::capi::last_error; }

const char* octavo_status_name(octavo_status status) {
  switch (status) {
    case OCTAVO_OK:
      return "ok";
    case OCTAVO_INVALID_ARGUMENT:
      return "invalid argument";
    case OCTAVO_IO:
      return "file error";
    case OCTAVO_FORMAT:
      return "damaged file";
    case OCTAVO_UNSUPPORTED:
      return "unsupported";
    case OCTAVO_OUT_OF_RANGE:
      return "out of range";
    case OCTAVO_CANCELLED:
      return "cancelled";
    case OCTAVO_INVALID_HANDLE:
      return "invalid handle";
    case OCTAVO_BUFFER_TOO_SMALL:
      return "buffer too small";
    case OCTAVO_BUSY:
      return "busy";
    case OCTAVO_OUT_OF_MEMORY:
      return "out of memory";
    case OCTAVO_INTERNAL:
      return "internal error";
    default:
      return "unknown status";
  }
}
}
