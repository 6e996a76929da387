// Threads. The only header behind which OpenMP lives.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

namespace octavo {

/// Number of processors this process may run on (affinity respected), at least 1.
int available_threads();

/// `requested` when positive, available_threads() for 0. Throws Error(kInvalidArgument) for less
/// than 0 and for more than any machine computes with.
int resolve_threads(int requested);

namespace detail {
using ThreadBody = void (*)(void* context, int thread, int threads);
void run_parallel(int threads, ThreadBody body, void* context);
}  // namespace detail

/// Runs body(thread, threads) once on each of `threads` threads and waits for all.
/// The body must not throw.
template <class Body>
void parallel(int threads, Body&& body) {
  auto call = [](void* context, int thread, int count) {
    (*static_cast<std::remove_reference_t<Body>*>(context))(thread, count);
  };
  detail::run_parallel(threads, call, &body);
}

/// While it lives, parallel regions inside libraries that the calling thread enters use `threads`
/// threads.
class LibraryThreads {
 public:
  explicit LibraryThreads(int threads);
  ~LibraryThreads();
  LibraryThreads(const LibraryThreads&) = delete;
  LibraryThreads& operator=(const LibraryThreads&) = delete;

 private:
  int before_;
};

/// Half-open share [first, second) of `count` items for `thread` of `threads`; sizes differ by
/// <= 1.
inline std::pair<int64_t, int64_t> share(int64_t count, int thread, int threads) {
  return {count * thread / threads, count * (thread + 1) / threads};
}

}  // namespace octavo
