#include "addon/session.h"

#include "addon/failure.h"
#include "addon/values.h"

namespace octavo::node {

Session::Session(napi_env env, octavo_session* handle, size_t vocab)
    : environment_(Environment::shared(env)), handle_(handle), vocab_(vocab) {
  environment_->add(this);
}

Session::~Session() {
  environment_->remove(this);
  cancel();
  worker_.stop();
  octavo_session_free(handle_);
}

octavo_session* Session::idle() const {
  if (is_closing_) throw Failure{OCTAVO_INVALID_HANDLE, "the session is closed"};
  if (is_busy_) throw Failure{OCTAVO_BUSY, "the session is at work in another call"};
  return handle_;
}

octavo_session* Session::begin(napi_env env, napi_value wrapper, std::shared_ptr<void> call,
                               std::function<void()> on_cancel) {
  octavo_session* const handle = idle();
  worker_.start();
  require_ok(env, napi_create_reference(env, wrapper, 1, &wrapper_));
  is_busy_ = true;
  is_cancelled_ = false;
  call_ = std::move(call);
  on_cancel_ = std::move(on_cancel);
  return handle;
}

void Session::finish(napi_env env) {
  is_busy_ = false;
  on_cancel_ = nullptr;
  napi_delete_reference(env, wrapper_);
  wrapper_ = nullptr;
  // What is settled below may drop the last owner of both.
  const std::shared_ptr<void> call = std::move(call_);
  if (!is_closing_) return;
  octavo_session_free(handle_);
  handle_ = nullptr;
  for (napi_deferred closer : closers_) settle(env, closer, undefined);
  closers_.clear();
}

void Session::cancel() {
  if (!is_busy_) return;
  change([this] { is_cancelled_ = true; });
  octavo_session_cancel(handle_);
  if (on_cancel_) on_cancel_();
}

napi_value Session::close(napi_env env) {
  napi_deferred closer = nullptr;
  napi_value promise = nullptr;
  require_ok(env, napi_create_promise(env, &closer, &promise));
  is_closing_ = true;
  if (is_busy_) {
    closers_.push_back(closer);
    cancel();
    return promise;
  }
  octavo_session_free(handle_);
  handle_ = nullptr;
  settle(env, closer, undefined);
  return promise;
}

}  // namespace octavo::node
