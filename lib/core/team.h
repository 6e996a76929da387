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

  /// Runs body(begin, end, thread) over items [0, count), at most `step` at a time, and waits. Each
  /// thread goes through a share of its own from front to back, so that it reads memory in order;
  /// who is done takes from the back of another's, so that a processor which is busy with something
  /// else holds nobody up. The body must not throw.
  template <class Body>
  void run_shares(int64_t count, int64_t step, Body&& body) {
    deal(count);
    run([&](int thread, int threads) {
      for (int i = 0; i < threads; ++i) {
        Share& share = shares_[static_cast<size_t>((thread + i) % threads)];
        const bool own = i == 0;
        for (Range r = share.take(step, own); r.begin < r.end; r = share.take(step, own)) {
          body(r.begin, r.end, thread);
        }
      }
    });
  }

 private:
  struct Range {
    int64_t begin, end;
  };
  /// Items that are left of a thread's share: the first in the low half, the end in the high one.
  struct alignas(64) Share {
    std::atomic<uint64_t> left = 0;
    /// Up to `step` items from the front or the back; an empty range when none is left.
    Range take(int64_t step, bool front);
  };
  void deal(int64_t count);

  using Call = void (*)(void* context, int thread, int threads);
  void run_erased(Call call, void* context);
  void work(int thread);

  Call call_ = nullptr;
  void* context_ = nullptr;
  std::atomic<uint32_t> round_ = 0;  ///< grows with each run
  std::atomic<uint32_t> busy_ = 0;   ///< workers that have not finished the round
  std::atomic<bool> stop_ = false;
  std::vector<Share> shares_;  ///< one a thread
  std::vector<std::thread> workers_;
};

}  // namespace octavo
