// What JavaScript hears while a session computes: routing and progress.
#pragma once

#include <node_api.h>

#include <memory>
#include <vector>

#include "addon/session.h"
#include "octavo/octavo.h"

namespace octavo::node {

/// Made for one call on a session. JavaScript's functions are called in its own thread, in order;
/// the worker waits for it when it is far behind.
class Watch : public std::enable_shared_from_this<Watch> {
 public:
  /// `on_routing` and `on_progress`: functions, null or undefined.
  Watch(napi_env env, Session& session, napi_value on_routing, napi_value on_progress);
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// In the worker: runs compute() with the session's callbacks set. A cancelled session ends it.
  template <typename Compute>
  void run(octavo_session* handle, const Compute& compute) {
    begin(handle);
    try {
      compute();
    } catch (...) {
      end(handle);
      throw;
    }
    end(handle);
  }
  /// In the worker: what was routed so far is on its way.
  void flush();
  /// In JavaScript's thread, at the end.
  void release(napi_env env);

 private:
  struct Routed {
    int64_t layer, position;
    std::vector<int32_t> experts;        // [chosen], best first
    std::vector<float> weights, logits;  // [chosen] and [experts]
  };

  void begin(octavo_session* handle);
  void end(octavo_session* handle);
  void add(const octavo_routed_token& token);
  void report(int64_t done, int64_t total);
  void call(napi_env env, napi_ref function, const std::vector<napi_value>& arguments);

  Session& session_;
  napi_ref on_routing_ = nullptr;
  napi_ref on_progress_ = nullptr;
  std::vector<Routed> routed_;
  int in_flight_ = 0;  // batches that JavaScript has not seen; under the session's lock
};

}  // namespace octavo::node
