// Threads that compute, and the way back from them to JavaScript's.
#pragma once

#include <node_api.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace octavo::node {

/// A thread that does one job after the other. It begins with the first one and stays: the threads
/// that the library computes with belong to the thread that calls it.
class Worker {
 public:
  Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() { stop(); }

  /// Throws Failure once stopped, and std::system_error where there is no thread to be had.
  void start();
  /// After start(). Jobs do not throw.
  void run(std::function<void()> job);
  /// Waits for the jobs that were given to it.
  void stop();

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool is_stopping_ = false;
  std::thread thread_;
};

/// JavaScript's thread, as seen from others.
class EventLoop {
 public:
  using Delivery = std::function<void(napi_env)>;

  explicit EventLoop(napi_env env);
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// From any thread: has this done in JavaScript's, in the order of the calls.
  void post(Delivery delivery);

  // In JavaScript's thread: the process lives on while something is under way.
  void hold();
  void release();
  /// No other thread is left, and the environment goes: nothing more is held.
  void close() { is_closed_ = true; }

 private:
  napi_env env_;
  napi_threadsafe_function function_ = nullptr;
  int holds_ = 0;
  bool is_closed_ = false;
};

}  // namespace octavo::node
