#include "core/parallel.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>

#include "core/error.h"

namespace octavo {

int available_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return std::max(1, omp_get_num_procs());
  return std::max(1, CPU_COUNT(&set));
}

int resolve_threads(int requested) {
  // The system refuses to start very many threads, which ends the process.
  constexpr int kMostThreads = 1024;
  if (requested < 0 || requested > kMostThreads) {
    fail(ErrorCode::kInvalidArgument, "threads must be 0 (all processors) to {}", kMostThreads);
  }
  return requested > 0 ? requested : available_threads();
}

LibraryThreads::LibraryThreads(int threads) : before_(omp_get_max_threads()) {
  omp_set_num_threads(threads);
}

LibraryThreads::~LibraryThreads() { omp_set_num_threads(before_); }

namespace detail {

void run_parallel(int threads, ThreadBody body, void* context) {
  if (threads <= 1) {
    body(context, 0, 1);
    return;
  }
  // The team may be smaller than asked for; the bodies see its real size.
#pragma omp parallel num_threads(threads)
  body(context, omp_get_thread_num(), omp_get_num_threads());
}

}  // namespace detail
}  // namespace octavo
