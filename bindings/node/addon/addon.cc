// What JavaScript sees when it loads the addon; lib/ makes classes of it.
#include <node_api.h>

#include "addon/environment.h"
#include "addon/generation.h"
#include "addon/model.h"
#include "addon/sampler.h"
#include "addon/session_calls.h"
#include "addon/values.h"

namespace octavo::node {
namespace {

napi_value set_error_class(napi_env env, const Arguments& arguments) {
  Environment::of(env).set_error_class(env, arguments[0]);
  return undefined(env);
}

napi_value shut_down(napi_env env, const Arguments&) {
  Environment::of(env).shut_down();
  return undefined(env);
}

napi_value version(napi_env env, const Arguments&) { return string(env, octavo_version()); }

napi_value guardrail_prompt(napi_env env, const Arguments&) {
  return string(env, octavo_guardrail_prompt());
}

napi_value define_all(napi_env env, napi_value exports) {
  try {
    Environment::create(env);
    std::vector<napi_property_descriptor> functions = {
        function("setErrorClass", entry<set_error_class>),
        function("shutDown", entry<shut_down>),
        function("version", entry<version>),
        function("guardrailPrompt", entry<guardrail_prompt>),
    };
    for (const auto& more :
         {model_functions(), session_functions(), generation_functions(), sampler_functions()}) {
      functions.insert(functions.end(), more.begin(), more.end());
    }
    require_ok(env, napi_define_properties(env, exports, functions.size(), functions.data()));
  } catch (const PendingException&) {
    return nullptr;
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
    return nullptr;
  }
  return exports;
}

}  // namespace
}  // namespace octavo::node

NAPI_MODULE_INIT() { return octavo::node::define_all(env, exports); }
