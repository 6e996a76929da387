#include "cuda_emulation/block.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "cuda_emulation/fiber.h"

namespace octavo::cuda_emulation {
namespace {

constexpr size_t kWarp = 32;

struct Copy {
  void* to;
  const void* from;
  size_t bytes, zeros;
};

struct Thread {
  enum class State { kReady, kAtBarrier, kInWarp, kDone };
  Fiber fiber;
  State state = State::kReady;
  uint3 index = {};
  int site = -1;
  uint32_t mask = 0;
  void* brought = nullptr;
  std::vector<Copy> copies;              // not yet committed
  std::deque<std::vector<Copy>> groups;  // oldest first
};

/// Runs the blocks of one launch, one after the other.
class Grid {
 public:
  Grid(const Launch& launch, std::mt19937_64* random) : launch_(launch), random_(random) {}

  std::string run();
  void barrier(int site);
  void together(uint32_t mask, int site, void* mine, Complete complete);
  void finish();
  [[noreturn]] void stop(const std::string& what);

  const Launch& launch() const { return launch_; }
  Thread& self() { return *threads()[current_]; }
  size_t current() const { return current_; }
  std::byte* shared() { return shared_.get(); }

 private:
  static std::vector<std::unique_ptr<Thread>>& threads() {
    static thread_local std::vector<std::unique_ptr<Thread>> pool;
    return pool;
  }
  void run_block(uint3 index);
  void enter(size_t i);
  size_t take_ready();
  void make_ready(size_t i);
  std::string why_stuck() const;
  size_t count() const { return size_t{launch_.block.x} * launch_.block.y * launch_.block.z; }

  const Launch& launch_;
  std::mt19937_64* random_;              // null: by index
  std::unique_ptr<std::byte[]> shared_;  // [shared_bytes], so that a sanitizer knows its end
  std::vector<uint32_t> arrived_;        // [warps] lanes that wait for others of their warp
  std::vector<size_t> ready_;            // taken from next_ on
  size_t next_ = 0, at_barrier_ = 0, done_ = 0, current_ = 0;
  std::string failure_;
};

thread_local Grid* running = nullptr;
thread_local uint64_t order_seed = 0;
thread_local std::mt19937_64 order_random;

void thread_body(void*) {
  (*running->launch().body)();
  running->finish();
}

uint3 index_in(Dim3 size, size_t i) {
  return {static_cast<unsigned>(i % size.x), static_cast<unsigned>(i / size.x % size.y),
          static_cast<unsigned>(i / size.x / size.y)};
}

std::string Grid::run() {
  blockDim = {launch_.block.x, launch_.block.y, launch_.block.z};
  gridDim = {launch_.grid.x, launch_.grid.y, launch_.grid.z};
  std::vector<std::unique_ptr<Thread>>& all = threads();
  while (all.size() < count()) all.push_back(std::make_unique<Thread>());
  std::vector<size_t> blocks(size_t{launch_.grid.x} * launch_.grid.y * launch_.grid.z);
  std::iota(blocks.begin(), blocks.end(), size_t{0});
  if (random_ != nullptr) std::shuffle(blocks.begin(), blocks.end(), *random_);
  for (const size_t block : blocks) {
    shared_ = std::make_unique_for_overwrite<std::byte[]>(launch_.shared_bytes);
    std::memset(shared_.get(), 0xFF, launch_.shared_bytes);
    run_block(index_in(launch_.grid, block));
    if (!failure_.empty()) break;
  }
  return failure_;
}

void Grid::run_block(uint3 index) {
  blockIdx = index;
  ready_.clear();
  next_ = at_barrier_ = done_ = 0;
  arrived_.assign((count() + kWarp - 1) / kWarp, 0);
  for (size_t i = 0; i < count(); ++i) {
    Thread& thread = *threads()[i];
    thread.index = index_in(launch_.block, i);
    thread.copies.clear();
    thread.groups.clear();
    thread.fiber.start(thread_body, nullptr);
    make_ready(i);
  }
  while (done_ < count() && failure_.empty()) {
    if (next_ == ready_.size()) {
      failure_ = why_stuck();
      return;
    }
    enter(take_ready());
  }
}

void Grid::make_ready(size_t i) {
  threads()[i]->state = Thread::State::kReady;
  ready_.push_back(i);
}

size_t Grid::take_ready() {
  if (random_ != nullptr) {
    std::swap(ready_[next_], ready_[next_ + (*random_)() % (ready_.size() - next_)]);
  }
  const size_t i = ready_[next_++];
  if (next_ == ready_.size()) {
    ready_.clear();
    next_ = 0;
  }
  return i;
}

void Grid::enter(size_t i) {
  current_ = i;
  threadIdx = threads()[i]->index;
  threads()[i]->fiber.enter();
}

void Grid::barrier(int site) {
  Thread& mine = self();
  mine.state = Thread::State::kAtBarrier;
  mine.site = site;
  ++at_barrier_;
  // On a card threads that are gone count as arrived; the language forbids it all the same.
  if (at_barrier_ == count()) {
    at_barrier_ = 0;
    for (size_t i = 0; i < count(); ++i) {
      if (threads()[i]->site != site) stop("threads of a block met at different barriers");
    }
    for (size_t i = 0; i < count(); ++i) make_ready(i);
  }
  mine.fiber.leave();
}

void Grid::together(uint32_t mask, int site, void* mine, Complete complete) {
  Thread& me = self();
  const size_t first = current_ / kWarp * kWarp;
  if ((mask >> (current_ - first) & 1) == 0) stop("a lane is not in the mask it gave");
  me.state = Thread::State::kInWarp;
  me.site = site;
  me.mask = mask;
  me.brought = mine;
  uint32_t& arrived = arrived_[first / kWarp];
  arrived |= uint32_t{1} << (current_ - first);
  if ((arrived & mask) != mask) return me.fiber.leave();  // the last one to come goes on below
  void* lanes[kWarp] = {};
  for (size_t l = 0; l < kWarp; ++l) {
    if ((mask >> l & 1) == 0) continue;
    const Thread& other = *threads()[first + l];
    if (other.mask != mask) stop("lanes of a warp gave different masks");
    if (other.site != site) stop("lanes of a warp met in different operations");
    lanes[l] = other.brought;
  }
  arrived &= ~mask;
  complete(lanes, mask);
  for (size_t l = 0; l < kWarp; ++l) {
    if ((mask >> l & 1) != 0 && first + l != current_) make_ready(first + l);
  }
  me.state = Thread::State::kReady;
  if (random_ != nullptr) {  // others may go first
    make_ready(current_);
    me.fiber.leave();
  }
}

void Grid::finish() {
  Thread& mine = self();
  const bool done = std::all_of(mine.groups.begin(), mine.groups.end(),
                                [](const std::vector<Copy>& group) { return group.empty(); });
  if (!mine.copies.empty() || !done) {
    stop("a thread ended with copies that nobody waited for");
  }
  mine.state = Thread::State::kDone;
  ++done_;
  mine.fiber.leave(true);
}

void Grid::stop(const std::string& what) {
  if (failure_.empty()) failure_ = what;
  self().fiber.leave(true);
  std::abort();  // it is not entered again
}

std::string Grid::why_stuck() const {
  size_t in_warp = 0;
  for (size_t i = 0; i < count(); ++i) in_warp += threads()[i]->state == Thread::State::kInWarp;
  return "threads wait for ever: " + std::to_string(at_barrier_) + " at a barrier, " +
         std::to_string(in_warp) + " for lanes of their warp, " + std::to_string(done_) +
         " have ended, of " + std::to_string(count());
}

}  // namespace

std::string run_grid(const Launch& launch) {
  Grid grid(launch, order_seed == 0 ? nullptr : &order_random);
  running = &grid;
  std::string failure = grid.run();
  running = nullptr;
  return failure;
}

void set_order(uint64_t seed) {
  order_seed = seed;
  order_random.seed(seed);
}

void block_barrier(int site) { running->barrier(site); }

void warp_together(uint32_t mask, int site, void* mine, Complete complete) {
  running->together(mask, site, mine, complete);
}

unsigned lane() { return static_cast<unsigned>(running->current() % kWarp); }

void* dynamic_shared() { return running->shared(); }

void misuse(const std::string& what) { running->stop(what); }

void copy_later(void* to, const void* from, size_t bytes, size_t zeros) {
  running->self().copies.push_back({to, from, bytes, zeros});
}

void commit_copies() {
  Thread& mine = running->self();
  mine.groups.push_back(std::exchange(mine.copies, {}));
}

void wait_copies(size_t groups_left) {
  std::deque<std::vector<Copy>>& groups = running->self().groups;
  for (; groups.size() > groups_left; groups.pop_front()) {
    for (const Copy& copy : groups.front()) {
      if (copy.bytes > 0) std::memcpy(copy.to, copy.from, copy.bytes);
      std::memset(static_cast<std::byte*>(copy.to) + copy.bytes, 0, copy.zeros);
    }
  }
}

}  // namespace octavo::cuda_emulation
