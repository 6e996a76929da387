// What the addon keeps for one JavaScript environment: the main thread's or one of worker_threads'.
#pragma once

#include <node_api.h>

#include <functional>
#include <memory>
#include <set>

#include "addon/worker.h"

namespace octavo::node {

class Session;

class Environment {
 public:
  /// Makes it and ties it to `env`.
  static void create(napi_env env);
  static Environment& of(napi_env env) { return *shared(env); }
  static std::shared_ptr<Environment>& shared(napi_env env);

  explicit Environment(napi_env env) : loop_(env) {}

  EventLoop& loop() { return loop_; }
  Worker& file_reader() { return file_reader_; }

  void set_error_class(napi_env env, napi_value error_class);
  napi_value error_class(napi_env env) const;

  void add(Session* session) { sessions_.insert(session); }
  void remove(Session* session) { sessions_.erase(session); }
  /// Ends what is under way and all threads; from then on there is no other call.
  void shut_down();

 private:
  EventLoop loop_;
  Worker file_reader_;
  napi_ref error_class_ = nullptr;
  std::set<Session*> sessions_;
};

/// JavaScript's promise of what `result` makes after `compute` ran in the worker, which was
/// started. Only `compute` runs there, and it may throw Failure. `finish` comes before the promise
/// is settled, whether it failed or not.
napi_value promise_of(napi_env env, Worker& worker, std::function<void()> compute,
                      std::function<napi_value(napi_env)> result,
                      std::function<void(napi_env)> finish);

/// Settles a promise with what `result` makes or throws.
void settle(napi_env env, napi_deferred deferred,
            const std::function<napi_value(napi_env)>& result);

}  // namespace octavo::node
