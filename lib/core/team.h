// A team of threads that meets many times a millisecond: the loop over a token's ops.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <type_traits>
#include <vector>

namespace octavo {

/// The calling thread and `threads - 1` others, which spin for a moment between two runs and then
/// sleep. OpenMP's threads (parallel.h) serve bulk loops: while they wait they spin for
/// milliseconds, which on a busy machine takes the processor from the thread they wait for. For one
/// caller at a time.
class Team {
 public:
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  /// Runs body(thread, size()) once on each thread and waits for all. The body must not throw.
  template <class Body>
  void run(Body&& body) {
    const auto call = [](void* context, int thread, int threads) {
      (*static_cast<std::remove_reference_t<Body>*>(context))(thread, threads);
    };
    run_erased(call, &body);
  }

 private:
  using Call = void (*)(void* context, int thread, int threads);
  void run_erased(Call call, void* context);
  void work(int thread);

  Call call_ = nullptr;
  void* context_ = nullptr;
  std::atomic<uint32_t> round_ = 0;  ///< grows with each run
  std::atomic<uint32_t> busy_ = 0;   ///< workers that have not finished the round
  std::atomic<bool> stop_ = false;
  std::vector<std::thread> workers_;
};

/// Pieces of work [0, count) that the threads of a team take one by one.
class Pieces {
 public:
  explicit Pieces(int64_t count) : count_(count) {}

  /// Runs body(piece) until no piece is left.
  template <class Body>
  void take_all(Body&& body) {
    for (int64_t piece = next_++; piece < count_; piece = next_++) body(piece);
  }

 private:
  const int64_t count_;
  std::atomic<int64_t> next_ = 0;
};

}  // namespace octavo
