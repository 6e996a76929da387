// The insides of the emulated card, for what stands in for CUDA's run-time calls.
#pragma once

#include <cuda_runtime.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "cuda_emulation/emulation.h"

namespace octavo::cuda_emulation {
/// One piece of work; may fail.
using Task = std::function<cudaError_t()>;
}  // namespace octavo::cuda_emulation

struct CUevent_st {
  CUstream_st* stream = nullptr;
  uint64_t ticket = 0;  ///< reached when the stream has done as many tasks
};
struct CUgraph_st {
  std::vector<octavo::cuda_emulation::Task> tasks;
};
struct CUgraphExec_st {
  std::vector<octavo::cuda_emulation::Task> tasks;
};
struct CUstream_st {
  std::deque<octavo::cuda_emulation::Task> waiting;
  uint64_t done = 0, given = 0;
  CUgraph_st* captured = nullptr;  ///< while capturing
};

namespace octavo::cuda_emulation {

inline constexpr size_t kGuard = 256;  ///< bytes on either side of an allocation

struct Block {
  std::unique_ptr<std::byte[]> memory;  // [guard, bytes, guard]
  size_t bytes;
};

/// Everything that there is one of.
struct Card {
  std::recursive_mutex mutex;
  Machine machine;
  Counts counts;
  std::map<std::byte*, Block> blocks;
  std::map<const std::byte*, size_t> pinned;
  std::set<CUstream_st*> streams;
  int capturing = 0;
  cudaError_t sticky = cudaSuccess;
  std::string failure;
};

Card& card();
/// Taken by every call.
std::unique_lock<std::recursive_mutex> lock();

/// From now on every call fails, as on a card that has been misused.
cudaError_t fail(cudaError_t error, const std::string& why);
/// The tasks of a stream up to `ticket`, all of them, or those of all streams.
cudaError_t run_until(CUstream_st* stream, uint64_t ticket);
cudaError_t drain(CUstream_st* stream);
cudaError_t drain_all();
/// Another task for a stream, or for the graph that it captures.
cudaError_t give(CUstream_st* stream, Task task);

void set_guards(std::byte* pointer, size_t bytes);
cudaError_t check_guards();
bool is_pinned(const void* pointer);
/// Whether [pointer, pointer + bytes) is memory of the card.
bool on_device(const void* pointer, size_t bytes);

}  // namespace octavo::cuda_emulation
