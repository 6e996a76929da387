#include "addon/watch.h"

#include "addon/values.h"

namespace octavo::node {
namespace {

constexpr size_t kBatch = 64;
constexpr int kMostInFlight = 8;

napi_ref reference_to(napi_env env, napi_value function, const char* what) {
  const napi_valuetype type = type_of(env, function);
  if (type == napi_undefined || type == napi_null) return nullptr;
  if (type != napi_function) throw_type_error(env, std::string(what) + " must be a function");
  napi_ref result = nullptr;
  require_ok(env, napi_create_reference(env, function, 1, &result));
  return result;
}

}  // namespace

Watch::Watch(napi_env env, Session& session, napi_value on_routing, napi_value on_progress)
    : session_(session),
      on_routing_(reference_to(env, on_routing, "onRouting")),
      on_progress_(reference_to(env, on_progress, "onProgress")) {}

void Watch::release(napi_env env) {
  for (napi_ref* reference : {&on_routing_, &on_progress_}) {
    if (*reference != nullptr) napi_delete_reference(env, *reference);
    *reference = nullptr;
  }
}

void Watch::begin(octavo_session* handle) {
  if (session_.is_cancelled()) throw Failure{OCTAVO_CANCELLED, "cancelled before it began"};
  // Always: octavo_session_cancel is not heard by a call that has not quite begun.
  const auto on_progress = [](int64_t done, int64_t total, void* user) -> int32_t {
    auto* watch = static_cast<Watch*>(user);
    if (watch->on_progress_ != nullptr) watch->report(done, total);
    return watch->session_.is_cancelled() ? 1 : 0;
  };
  require_ok(octavo_session_on_progress(handle, on_progress, this));
  if (on_routing_ == nullptr) return;
  const auto on_routing = [](const octavo_routed_token* token, void* user) {
    static_cast<Watch*>(user)->add(*token);
  };
  require_ok(octavo_session_on_routing(handle, on_routing, this));
}

void Watch::end(octavo_session* handle) {
  octavo_session_on_progress(handle, nullptr, nullptr);
  octavo_session_on_routing(handle, nullptr, nullptr);
  flush();
}

void Watch::add(const octavo_routed_token& token) {
  routed_.push_back({token.layer,
                     token.position,
                     {token.experts, token.experts + token.chosen},
                     {token.weights, token.weights + token.chosen},
                     {token.logits, token.logits + token.expert_count}});
  if (routed_.size() >= kBatch) flush();
}

void Watch::flush() {
  if (routed_.empty()) return;
  session_.wait([this] { return in_flight_ < kMostInFlight; });
  session_.change([this] { ++in_flight_; });
  session_.loop().post([self = shared_from_this(), batch = std::move(routed_)](napi_env env) {
    for (const Routed& routed : batch) {
      const napi_value event = object(env);
      set(env, event, "layer", number(env, static_cast<double>(routed.layer)));
      set(env, event, "position", number(env, static_cast<double>(routed.position)));
      set(env, event, "experts", int32_array(env, routed.experts));
      set(env, event, "weights", float32_array(env, routed.weights));
      set(env, event, "logits", float32_array(env, routed.logits));
      self->call(env, self->on_routing_, {event});
    }
    self->session_.change([&self] { --self->in_flight_; });
  });
  routed_.clear();
}

void Watch::report(int64_t done, int64_t total) {
  session_.loop().post([self = shared_from_this(), done, total](napi_env env) {
    self->call(env, self->on_progress_,
               {number(env, static_cast<double>(done)), number(env, static_cast<double>(total))});
  });
}

void Watch::call(napi_env env, napi_ref function, const std::vector<napi_value>& arguments) {
  napi_value callee = nullptr;
  require_ok(env, napi_get_reference_value(env, function, &callee));
  if (napi_call_function(env, undefined(env), callee, arguments.size(), arguments.data(),
                         nullptr) == napi_ok) {
    return;
  }
  // As with any event: an exception is nobody's but the process's.
  napi_value error = nullptr;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
}

}  // namespace octavo::node
