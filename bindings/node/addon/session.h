// A session of the library with the thread that computes it.
#pragma once

#include <node_api.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "addon/environment.h"
#include "octavo/octavo.h"

namespace octavo::node {

/// For one call at a time, like the library's. All but is_cancelled() and wait() are for
/// JavaScript's thread. The worker knows it by a plain pointer: JavaScript's object is held while
/// it is at work.
class Session {
 public:
  static constexpr napi_type_tag kTag = {0x6f637461766f0001, 0x8d1f2f0c4f7b4c11};
  static constexpr const char* kName = "session";

  /// Takes the handle over.
  Session(napi_env env, octavo_session* handle, size_t vocab);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();
  void forgotten() {}  // the last owner takes it down

  size_t vocab() const { return vocab_; }
  Worker& worker() { return worker_; }
  EventLoop& loop() { return environment_->loop(); }

  /// The library's session, if it is not closed nor at work.
  octavo_session* idle() const;

  /// A call begins. `wrapper` is this session's object in JavaScript; `call` is what the call needs
  /// until its end; `on_cancel` hears of cancel().
  octavo_session* begin(napi_env env, napi_value wrapper, std::shared_ptr<void> call,
                        std::function<void()> on_cancel);
  void finish(napi_env env);
  /// Ends the call at work, if there is one.
  void cancel();
  /// Cancels, and promises that all memory is free again.
  napi_value close(napi_env env);

  // From the worker as well.
  bool is_cancelled() const { return is_cancelled_; }
  /// Returns when `is_there` holds, which another thread made so under this lock, or once
  /// cancelled.
  template <typename Condition>
  void wait(const Condition& is_there) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return is_cancelled_ || is_there(); });
  }
  template <typename Change>
  void change(const Change& change) {
    {
      const std::lock_guard lock(mutex_);
      change();
    }
    changed_.notify_all();
  }

 private:
  const std::shared_ptr<Environment> environment_;
  octavo_session* handle_;  // null: closed
  const size_t vocab_;

  bool is_busy_ = false;
  bool is_closing_ = false;
  napi_ref wrapper_ = nullptr;  // while it is busy
  std::shared_ptr<void> call_;
  std::function<void()> on_cancel_;
  std::vector<napi_deferred> closers_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> is_cancelled_ = false;
  Worker worker_;
};

}  // namespace octavo::node
