#include "backend/cpu/machine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "backend/cpu/memory.h"
#include "core/parallel.h"
#include "simd/kernels.h"

namespace octavo {
namespace {

constexpr int64_t kStreamBytes = int64_t{512} << 20;
constexpr int64_t kPiece = 4096;
constexpr int64_t kRounds = 3'000'000;
constexpr int kPasses = 7;

/// Largest of kPasses rates of work(thread, threads), which returns the units it did.
template <class Work>
double best_rate(int threads, Work work) {
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    std::atomic<int64_t> units = 0;
    const auto start = std::chrono::steady_clock::now();
    parallel(threads, [&](int thread, int count) { units += work(thread, count); });
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(units) / seconds.count());
  }
  return best * 1e-9;
}

}  // namespace

MachineSpeed measure_machine(int threads) {
  const Kernels& k = kernels();
  const Pages memory(kStreamBytes);
  std::memset(memory.data(), 1, kStreamBytes);
  // The checks go into an atomic, so that no loop is left out.
  std::atomic<float> used = 0;
  MachineSpeed speed;
  speed.isa = k.name;
  speed.threads = resolve_threads(threads);
  speed.stream_gb_s = best_rate(speed.threads, [&](int thread, int count) {
    const auto [begin, end] = share(kStreamBytes / kPiece, thread, count);
    const int64_t bytes = (end - begin) * kPiece;
    used = static_cast<float>(k.read_memory(memory.data() + begin * kPiece, bytes));
    return bytes;
  });
  const auto spin = [&](MachineWork (*loop)(int64_t)) {
    return best_rate(speed.threads, [&](int, int) {
      const MachineWork work = loop(kRounds);
      used = work.check;
      return static_cast<int64_t>(work.operations);
    });
  };
  speed.float_gflop_s = spin(k.spin_float);
  speed.int8_gop_s = spin(k.spin_int8);
  return speed;
}

}  // namespace octavo
