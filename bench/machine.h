// What this machine can do, measured in the same process as the benchmarks.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/parallel.h"

namespace octavo::bench {

/// Larger than any cache here, so that what is read comes from memory.
inline constexpr int64_t kColdBytes = int64_t{512} << 20;

/// Sum of 64-bit words: a plain loop that the compiler vectorizes, bound by memory.
inline uint64_t sum_words(const uint64_t* words, int64_t count) {
  uint64_t sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += words[i];
  return sum;
}

/// Bytes a second that all threads together read from memory, in GB/s: the best of five passes
/// over kColdBytes, measured once.
inline double read_bandwidth() {
  static const double measured = [] {
    const std::vector<uint64_t> words(kColdBytes / sizeof(uint64_t), 1);
    std::atomic<uint64_t> total = 0;
    double best = 0;
    for (int pass = 0; pass < 5; ++pass) {
      const auto start = std::chrono::steady_clock::now();
      parallel(available_threads(), [&](int thread, int threads) {
        const auto [begin, end] = share(std::ssize(words), thread, threads);
        total += sum_words(words.data() + begin, end - begin);
      });
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      best = std::max(best, static_cast<double>(kColdBytes) / seconds.count() * 1e-9);
    }
    return total == 0 ? 0.0 : best;  // uses the sums, so that the loops stay
  }();
  return measured;
}

}  // namespace octavo::bench
