#include "backend/cuda/machine.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "backend/cuda/kernels/machine.h"
#include "backend/cuda/memory.h"

namespace octavo::cuda {
namespace {

using Seconds = std::chrono::duration<double>;

/// More than any second-level cache holds; both sides of a copy.
constexpr int64_t kMostCopied = int64_t{256} << 20, kLeastCopied = int64_t{1} << 20;
/// Shorter passes would measure the launches; a few of them, of which the best counts.
constexpr Seconds kLeastPass(0.02);
constexpr int kPasses = 5;

/// Seconds of a pass of work(times), which only gives work to the stream.
template <class Work>
double seconds_of(const OwnedStream& stream, Work work, int64_t times) {
  stream.wait();
  const auto start = std::chrono::steady_clock::now();
  work(times);
  stream.wait();
  return Seconds(std::chrono::steady_clock::now() - start).count();
}

/// Best rate of work(times), in 10^9 of its units a second, with as many times as a pass needs.
template <class Work>
double best_rate(const OwnedStream& stream, double units, Work work) {
  int64_t times = 1;
  work(times);  // the first time, the driver loads the kernel as well
  while (seconds_of(stream, work, times) < kLeastPass.count() && times < (1 << 20)) times *= 2;
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    best =
        std::max(best, static_cast<double>(times) * units / seconds_of(stream, work, times) * 1e-9);
  }
  return best;
}

/// Both what is read and what is written counts.
double copy_rate(const OwnedStream& stream, int blocks) {
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "asking for the free memory");
  const int64_t most = std::min(kMostCopied, static_cast<int64_t>(free / 4) / 16 * 16);
  const Buffer<std::byte> from(most, "measuring"), to(most, "measuring");
  check(cudaMemsetAsync(from.data(), 1, static_cast<size_t>(most), stream.get()), "clearing");
  int64_t bytes = std::min(kLeastCopied, most);
  const auto copy = [&](int64_t times) {
    for (; times > 0; --times) copy_bytes(from.data(), to.data(), bytes, blocks, stream.get());
  };
  copy(1);  // the first time, the driver loads the kernel as well
  while (bytes < most && seconds_of(stream, copy, 1) < kLeastPass.count()) {
    bytes = std::min(2 * bytes, most);
  }
  return best_rate(stream, 2.0 * static_cast<double>(bytes), copy);
}

/// Of spin_bf16 or spin_f32; `operations` of one round on all blocks.
template <class Spin>
double spin_rate(const OwnedStream& stream, int blocks, double operations, Spin spin) {
  const Buffer<float> check(int64_t{blocks} * kSpinThreads, "measuring");
  return best_rate(stream, operations, [&](int64_t rounds) {
    spin(blocks, static_cast<int>(rounds), check.data(), stream.get());
  });
}

}  // namespace

MachineSpeed measure_card(std::string isa, int multiprocessors) {
  const OwnedStream stream;
  const int blocks = 8 * multiprocessors;
  MachineSpeed speed;
  speed.isa = std::move(isa);
  speed.stream.gb_s = copy_rate(stream, blocks);
  speed.stream.pattern = "a copy, both directions counted";
  speed.units.push_back(
      {"f32", spin_rate(stream, blocks, spin_f32_operations(blocks, 1), spin_f32)});
  speed.units.push_back(
      {"bf16", spin_rate(stream, blocks, spin_bf16_operations(blocks, 1), spin_bf16)});
  return speed;
}

}  // namespace octavo::cuda
