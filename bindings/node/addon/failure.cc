#include "addon/failure.h"

#include <algorithm>
#include <cctype>

#include "addon/environment.h"
#include "addon/values.h"

namespace octavo::node {

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
  std::string code = octavo_status_name(failure.status);  // "out of range"
  std::transform(code.begin(), code.end(), code.begin(), [](unsigned char letter) {
    return letter == ' ' ? '_' : static_cast<char>(std::toupper(letter));
  });
  const napi_value arguments[] = {string(env, failure.message), string(env, code)};
  napi_value error = nullptr;
  require_ok(env, napi_new_instance(env, Environment::of(env).error_class(env), 2, arguments,
                                    &error));
  return error;
}

}  // namespace octavo::node
