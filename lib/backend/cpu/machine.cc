#include "backend/cpu/machine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <iterator>
#include <thread>
#include <utility>
#include <vector>

#include "backend/cpu/dense_matmul.h"
#include "backend/cpu/memory.h"
#include "core/parallel.h"
#include "core/team.h"
#include "quant/format.h"
#include "simd/machine_units.h"

namespace octavo {
namespace {

using Clock = std::chrono::steady_clock;

// Short passes, and many: on a busy machine some of them run undisturbed.
constexpr int64_t kStreamBytes = int64_t{512} << 20;  // more than any cache holds
constexpr int64_t kPassBytes = kStreamBytes / 4;      // another part of it each time
constexpr int64_t kPiece = 4096;
constexpr int64_t kRounds = 300'000;
/// For the pages of one size, and for one unit.
constexpr std::chrono::milliseconds kStreamTime(300), kUnitTime(60);

/// Whether there is still time; always for the first question.
class TimeLeft {
 public:
  explicit TimeLeft(Clock::duration duration) : end_(Clock::now() + duration) {}
  explicit operator bool() { return std::exchange(first_, false) || Clock::now() < end_; }

 private:
  Clock::time_point end_;
  bool first_ = true;
};

/// Where threads wait for each other, so that starting them is not timed.
class StartLine {
 public:
  explicit StartLine(int threads) : missing_(threads) {}
  void wait() {
    missing_.fetch_sub(1);
    // Threads beyond the processors must let the others come.
    for (int spins = 0; missing_.load(std::memory_order_acquire) > 0; ++spins) {
      if (spins > 1000) std::this_thread::yield();
    }
  }

 private:
  std::atomic<int> missing_;
};

/// Rate, in 10^9 a second, of work(thread, threads), which returns the units it did: from the first
/// thread's start to the last one's end.
template <class Work>
double rate_of(Team& team, Work work) {
  std::vector<Clock::time_point> starts(team.size()), ends(team.size());
  std::atomic<int64_t> units = 0;
  StartLine line(team.size());
  team.run([&](int thread, int count) {
    line.wait();
    starts[thread] = Clock::now();
    units += work(thread, count);
    ends[thread] = Clock::now();
  });
  const std::chrono::duration<double> seconds =
      *std::max_element(ends.begin(), ends.end()) - *std::min_element(starts.begin(), starts.end());
  return static_cast<double>(units) / seconds.count() * 1e-9;
}

/// One way of reading kPassBytes.
double read_rate(Team& team, const std::byte* data, ReadPattern pattern) {
  std::atomic<uint32_t> used = 0;  // so that no loop is left out
  return rate_of(team, [&](int thread, int count) {
    const auto [begin, end] = share(kPassBytes / kPiece, thread, count);
    const int64_t bytes = (end - begin) * kPiece;
    used = kernels().read_memory(data + begin * kPiece, bytes, pattern);
    return bytes;
  });
}

std::string describe(ReadPattern pattern, bool huge) {
  std::string text =
      pattern.streams == 1 ? "1 stream" : std::to_string(pattern.streams) + " streams";
  text += pattern.fetch ? " a thread, fetched ahead" : " a thread";
  return text + (huge ? ", huge pages" : ", small pages");
}

double median(std::vector<double> rates) {
  const auto middle = rates.begin() + static_cast<ptrdiff_t>(rates.size() / 2);
  std::nth_element(rates.begin(), middle, rates.end());
  return *middle;
}

/// The pattern with the best median on pages of one size: what the memory gives for longer than a
/// moment. All take turns, so that a disturbance hits all alike.
StreamSpeed measure_pages(Team& team, bool huge) {
  Pages memory(kStreamBytes);
  memory.prefer_huge(huge);
  team.run([&](int thread, int count) {
    const auto [begin, end] = share(kStreamBytes / kPiece, thread, count);
    std::memset(memory.data() + begin * kPiece, 1, (end - begin) * kPiece);
  });
  constexpr ReadPattern kPatterns[] = {{1, false}, {1, true},  {2, false},
                                       {2, true},  {4, false}, {4, true}};
  std::vector<double> rates[std::size(kPatterns)];
  int64_t at = 0;
  for (TimeLeft time(kStreamTime); time;) {
    for (size_t i = 0; i < std::size(kPatterns); ++i) {
      rates[i].push_back(read_rate(team, memory.data() + at, kPatterns[i]));
      at = (at + kPassBytes) % kStreamBytes;
    }
  }
  StreamSpeed best;
  for (size_t i = 0; i < std::size(kPatterns); ++i) {
    const double rate = median(rates[i]);
    if (rate > best.gb_s) best = {rate, describe(kPatterns[i], huge)};
  }
  return best;
}

}  // namespace

StreamSpeed measure_stream(int threads) {
  Team team(resolve_threads(threads));
  const StreamSpeed small = measure_pages(team, false), huge = measure_pages(team, true);
  return huge.gb_s > small.gb_s ? huge : small;
}

std::vector<UnitSpeed> measure_units(const Kernels& kernels, int threads) {
  Team team(resolve_threads(threads));
  std::atomic<float> used = 0;  // so that no loop is left out
  std::vector<UnitSpeed> speeds;
  for (const MachineUnit& unit : machine_units(kernels)) {
    double best = 0;
    for (TimeLeft time(kUnitTime); time;) {
      const auto spin = [&](int, int) {
        const MachineWork work = unit.spin(kRounds);
        used = work.check;
        return static_cast<int64_t>(work.operations);
      };
      best = std::max(best, rate_of(team, spin));
    }
    speeds.push_back({unit.name, best});
  }
  return speeds;
}

std::string instruction_set() { return kernels().name; }

}  // namespace octavo
