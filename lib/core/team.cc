#include "core/team.h"

#include <algorithm>

#include "core/parallel.h"

namespace octavo {
namespace {

/// About as long as the system takes to wake a thread: 20 to 50 microseconds.
constexpr int kSpins = 1000;

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits until `value` is no longer `old`: spinning first, then asleep.
void wait_while(const std::atomic<uint32_t>& value, uint32_t old) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause_briefly();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

Team::Team(int threads) : shares_(static_cast<size_t>(std::max(threads, 1))) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

Team::~Team() {
  stop_ = true;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Team::deal(int64_t count) {
  for (int i = 0; i < size(); ++i) {
    const auto [begin, end] = share(count, i, size());
    shares_[static_cast<size_t>(i)].left.store(
        static_cast<uint64_t>(begin) | static_cast<uint64_t>(end) << 32, std::memory_order_relaxed);
  }
}

Team::Range Team::Share::take(int64_t step, bool front) {
  uint64_t seen = left.load(std::memory_order_relaxed);
  for (;;) {
    const auto begin = static_cast<int64_t>(seen & 0xFFFFFFFF);
    const auto end = static_cast<int64_t>(seen >> 32);
    if (begin >= end) return {0, 0};
    const int64_t count = std::min(step, end - begin);
    const Range taken = front ? Range{begin, begin + count} : Range{end - count, end};
    const auto first = static_cast<uint64_t>(front ? taken.end : begin);
    const auto last = static_cast<uint64_t>(front ? end : taken.begin);
    if (left.compare_exchange_weak(seen, first | last << 32, std::memory_order_relaxed)) {
      return taken;
    }
  }
}

void Team::run_erased(Call call, void* context) {
  call_ = call;
  context_ = context;
  busy_.store(static_cast<uint32_t>(workers_.size()), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  call(context, 0, size());
  for (uint32_t left = busy_.load(std::memory_order_acquire); left != 0;
       left = busy_.load(std::memory_order_acquire)) {
    wait_while(busy_, left);
  }
}

void Team::work(int thread) {
  for (uint32_t seen = 0;; ++seen) {
    wait_while(round_, seen);
    if (stop_) return;
    call_(context_, thread, size());
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

}  // namespace octavo
