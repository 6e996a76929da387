#include "addon/worker.h"

#include <memory>

#include "addon/failure.h"
#include "addon/values.h"

namespace octavo::node {

void Worker::start() {
  if (is_stopping_) throw Failure{OCTAVO_CANCELLED, "the process is ending"};
  if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
}

void Worker::run(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void Worker::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Worker::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return is_stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
  }
}

EventLoop::EventLoop(napi_env env) : env_(env) {
  // Without an environment it is being torn down, and nobody waits any more.
  const auto deliver = [](napi_env given, napi_value, void*, void* data) {
    const std::unique_ptr<Delivery> delivery(static_cast<Delivery*>(data));
    if (given == nullptr) return;
    try {
      (*delivery)(given);
    } catch (const PendingException&) {
      napi_value error = nullptr;
      if (napi_get_and_clear_last_exception(given, &error) == napi_ok) {
        napi_fatal_exception(given, error);
      }
    }
  };
  require_ok(env,
             napi_create_threadsafe_function(env, nullptr, nullptr, string(env, "octavo"), 0, 1,
                                             nullptr, nullptr, nullptr, deliver, &function_));
  require_ok(env, napi_unref_threadsafe_function(env, function_));
}

void EventLoop::post(Delivery delivery) {
  auto message = std::make_unique<Delivery>(std::move(delivery));
  if (napi_call_threadsafe_function(function_, message.get(), napi_tsfn_nonblocking) == napi_ok) {
    static_cast<void>(message.release());
  }
}

void EventLoop::hold() {
  if (holds_++ == 0 && !is_closed_) napi_ref_threadsafe_function(env_, function_);
}

void EventLoop::release() {
  if (--holds_ == 0 && !is_closed_) napi_unref_threadsafe_function(env_, function_);
}

}  // namespace octavo::node
