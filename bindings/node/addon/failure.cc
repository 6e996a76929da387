#include "addon/failure.h"

#include "addon/environment.h"
#include "addon/values.h"

namespace octavo::node {
namespace {

/// The status' name in octavo.h, without what all have in front.
const char* code_of(octavo_status status) {
  switch (status) {
    case OCTAVO_INVALID_ARGUMENT:
      return "INVALID_ARGUMENT";
    case OCTAVO_IO:
      return "IO";
    case OCTAVO_FORMAT:
      return "FORMAT";
    case OCTAVO_UNSUPPORTED:
      return "UNSUPPORTED";
    case OCTAVO_OUT_OF_RANGE:
      return "OUT_OF_RANGE";
    case OCTAVO_CANCELLED:
      return "CANCELLED";
    case OCTAVO_INVALID_HANDLE:
      return "INVALID_HANDLE";
    case OCTAVO_BUFFER_TOO_SMALL:
      return "BUFFER_TOO_SMALL";
    case OCTAVO_BUSY:
      return "BUSY";
    case OCTAVO_OUT_OF_MEMORY:
      return "OUT_OF_MEMORY";
    default:
      return "INTERNAL";
  }
}

}  // namespace

void require_ok(octavo_status status) {
  if (status != OCTAVO_OK) throw Failure{status, octavo_last_error()};
}

void require_ok(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  bool is_pending = false;
  napi_is_exception_pending(env, &is_pending);
  if (!is_pending) {
    const napi_extended_error_info* info = nullptr;
    napi_get_last_error_info(env, &info);
    const bool is_explained = info != nullptr && info->error_message != nullptr;
    napi_throw_error(env, nullptr, is_explained ? info->error_message : "Node-API call failed");
  }
  throw PendingException();
}

void throw_type_error(napi_env env, const std::string& message) {
  napi_throw_type_error(env, nullptr, message.c_str());
  throw PendingException();
}

void throw_range_error(napi_env env, const std::string& message) {
  napi_throw_range_error(env, nullptr, message.c_str());
  throw PendingException();
}

napi_value make_error(napi_env env, const Failure& failure) {
  const napi_value arguments[] = {string(env, failure.message),
                                  string(env, code_of(failure.status))};
  napi_value error = nullptr;
  require_ok(env,
             napi_new_instance(env, Environment::of(env).error_class(env), 2, arguments, &error));
  return error;
}

}  // namespace octavo::node
