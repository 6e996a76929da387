// What goes wrong, on its way to JavaScript.
#pragma once

#include <node_api.h>

#include <string>

#include "octavo/octavo.h"

namespace octavo::node {

/// A call of the library that failed; becomes an OctavoError.
struct Failure {
  octavo_status status;
  std::string message;
};

/// A JavaScript exception was thrown and waits for the way back to JavaScript.
struct PendingException {};

/// Throws what the library's last call in this thread said, unless it went well.
void require_ok(octavo_status status);

/// Throws PendingException unless it went well.
void require_ok(napi_env env, napi_status status);

[[noreturn]] void throw_type_error(napi_env env, const std::string& message);
[[noreturn]] void throw_range_error(napi_env env, const std::string& message);

/// An OctavoError with its code, "OUT_OF_RANGE".
napi_value make_error(napi_env env, const Failure& failure);

}  // namespace octavo::node
