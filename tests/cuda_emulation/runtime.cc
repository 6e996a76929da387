// CUDA's run-time calls for the emulated card. Work waits in its stream until somebody waits for
// it, as late as a card might do it: what is read or reused too early shows.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cuda_emulation/emulation.h"

namespace octavo::cuda_emulation {
namespace {

/// One piece of work; may fail.
using Task = std::function<cudaError_t()>;

}  // namespace
}  // namespace octavo::cuda_emulation

using octavo::cuda_emulation::Task;

struct CUevent_st {
  CUstream_st* stream = nullptr;
  uint64_t ticket = 0;  ///< reached when the stream has done as many tasks
};
struct CUgraph_st {
  std::vector<Task> tasks;
};
struct CUgraphExec_st {
  std::vector<Task> tasks;
};
struct CUstream_st {
  std::deque<Task> waiting;
  uint64_t done = 0, given = 0;
  CUgraph_st* captured = nullptr;  ///< while capturing
};

namespace octavo::cuda_emulation {
namespace {

constexpr size_t kGuard = 256;  ///< bytes on either side of an allocation
constexpr unsigned char kGuardByte = 0xA5;

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

// Never destroyed: what tests leave behind may be freed at the very end.
Card& card() {
  static Card& all = *new Card;
  return all;
}

cudaError_t fail(cudaError_t error, const std::string& why) {
  Card& c = card();
  if (c.sticky == cudaSuccess) {
    c.sticky = error;
    c.failure = why;
  }
  return c.sticky;
}

void set_guards(std::byte* pointer, size_t bytes) {
  std::memset(pointer - kGuard, kGuardByte, kGuard);
  std::memset(pointer + bytes, kGuardByte, kGuard);
}

bool guards_hold(std::byte* pointer, const Block& block) {
  const auto whole = [](const std::byte* guard) {
    return std::all_of(guard, guard + kGuard,
                       [](std::byte byte) { return byte == std::byte{kGuardByte}; });
  };
  return whole(pointer - kGuard) && whole(pointer + block.bytes);
}

cudaError_t check_guards() {
  for (const auto& [pointer, block] : card().blocks) {
    if (guards_hold(pointer, block)) continue;
    return fail(cudaErrorIllegalAddress, "something was written beside an allocation of " +
                                             std::to_string(block.bytes) + " bytes");
  }
  return cudaSuccess;
}

cudaError_t run_until(CUstream_st* stream, uint64_t ticket) {
  while (stream->done < ticket && !stream->waiting.empty()) {
    const Task task = std::move(stream->waiting.front());
    stream->waiting.pop_front();
    if (card().sticky == cudaSuccess) task();
    ++stream->done;
  }
  return card().sticky;
}

cudaError_t drain(CUstream_st* stream) { return run_until(stream, stream->given); }

cudaError_t drain_all() {
  for (CUstream_st* stream : card().streams) drain(stream);
  check_guards();
  return card().sticky;
}

cudaError_t give(CUstream_st* stream, Task task) {
  if (card().sticky != cudaSuccess) return card().sticky;
  if (stream->captured != nullptr) {
    stream->captured->tasks.push_back(std::move(task));
  } else {
    stream->waiting.push_back(std::move(task));
    ++stream->given;
  }
  return cudaSuccess;
}

bool is_pinned(const void* pointer) {
  const auto* at = static_cast<const std::byte*>(pointer);
  const auto& pinned = card().pinned;
  auto next = pinned.upper_bound(at);
  if (next == pinned.begin()) return false;
  --next;
  return at < next->first + next->second;
}

/// Whether [pointer, pointer + bytes) is memory of the card.
bool on_device(const void* pointer, size_t bytes) {
  auto* at = const_cast<std::byte*>(static_cast<const std::byte*>(pointer));
  auto next = card().blocks.upper_bound(at);
  if (next == card().blocks.begin()) return false;
  --next;
  return at + bytes <= next->first + next->second.bytes;
}

std::unique_lock<std::recursive_mutex> lock() { return std::unique_lock(card().mutex); }

}  // namespace

void set_machine(const Machine& machine) {
  const auto locked = lock();
  card().machine = machine;
}

void forget_failure() {
  const auto locked = lock();
  for (CUstream_st* stream : card().streams) {
    stream->done += stream->waiting.size();
    stream->waiting.clear();
  }
  card().sticky = cudaSuccess;
  for (auto& [pointer, block] : card().blocks) set_guards(pointer, block.bytes);
}

Counts counts() {
  const auto locked = lock();
  return card().counts;
}

cudaError_t launch(const cudaLaunchConfig_t& config, std::function<void()> body) {
  const auto locked = lock();
  const auto threads = size_t{config.blockDim.x} * config.blockDim.y * config.blockDim.z;
  const auto blocks = size_t{config.gridDim.x} * config.gridDim.y * config.gridDim.z;
  if (threads == 0 || threads > 1024 || blocks == 0 || config.dynamicSmemBytes > 99 << 10 ||
      config.gridDim.y > 65535 || config.gridDim.z > 65535) {
    return cudaErrorInvalidValue;
  }
  return give(config.stream, [config, body = std::move(body)] {
    ++card().counts.launches;
    const auto dims = [](dim3 d) { return Dim3{d.x, d.y, d.z}; };
    const std::string failure =
        run_grid({dims(config.gridDim), dims(config.blockDim), config.dynamicSmemBytes, &body});
    return failure.empty() ? cudaSuccess : fail(cudaErrorLaunchFailure, failure);
  });
}

}  // namespace octavo::cuda_emulation

namespace emulation = octavo::cuda_emulation;
using emulation::card;
using emulation::lock;

const char* cudaGetErrorString(cudaError_t error) {
  const auto locked = lock();
  if (error != cudaSuccess && error == card().sticky) return card().failure.c_str();
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    default:
      return "unspecified error";
  }
}

cudaError_t cudaGetLastError() { return card().sticky; }

cudaError_t cudaDriverGetVersion(int* version) {
  *version = card().machine.driver;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  const emulation::Machine& machine = card().machine;
  *count = machine.driver < 13000 ? 0 : machine.devices;
  if (machine.driver < 13000) return cudaErrorInsufficientDriver;
  return machine.devices == 0 ? cudaErrorNoDevice : cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  const emulation::Machine& machine = card().machine;
  if (device >= machine.devices) return cudaErrorInvalidDevice;
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "emulated card");
  properties->totalGlobalMem = machine.memory;
  properties->sharedMemPerBlockOptin = 99 << 10;
  properties->major = machine.major;
  properties->minor = machine.minor;
  properties->multiProcessorCount = 4;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  return device < card().machine.devices ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t cudaDeviceSynchronize() {
  const auto locked = lock();
  ++card().counts.synchronizations;
  return emulation::drain_all();
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const auto locked = lock();
  const auto used = static_cast<size_t>(card().counts.bytes_in_use);
  *total = card().machine.memory;
  *free = used > *total ? 0 : *total - used;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  const auto locked = lock();
  if (card().capturing > 0) return cudaErrorStreamCaptureUnsupported;
  const auto used = static_cast<size_t>(card().counts.bytes_in_use);
  if (used + bytes > card().machine.memory) return cudaErrorMemoryAllocation;
  auto memory = std::make_unique_for_overwrite<std::byte[]>(bytes + 3 * emulation::kGuard);
  // Aligned as CUDA's; a sanitizer sees reads beyond the guards, the guards see writes.
  auto* start = reinterpret_cast<std::byte*>(
      (reinterpret_cast<uintptr_t>(memory.get()) + 2 * emulation::kGuard - 1) &
      ~uintptr_t{emulation::kGuard - 1});
  emulation::set_guards(start, bytes);
  std::memset(start, 0xFF, bytes);  // NaNs
  card().blocks.emplace(start, emulation::Block{std::move(memory), bytes});
  ++card().counts.allocations;
  card().counts.bytes_in_use += static_cast<int64_t>(bytes);
  *pointer = start;
  return cudaSuccess;
}

cudaError_t cudaFree(void* pointer) {
  const auto locked = lock();
  if (pointer == nullptr) return cudaSuccess;
  emulation::drain_all();
  const auto block = card().blocks.find(static_cast<std::byte*>(pointer));
  if (block == card().blocks.end()) return cudaErrorInvalidValue;
  card().counts.bytes_in_use -= static_cast<int64_t>(block->second.bytes);
  card().blocks.erase(block);
  return card().sticky;
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  const auto locked = lock();
  *pointer = std::malloc(std::max<size_t>(bytes, 1));
  card().pinned[static_cast<const std::byte*>(*pointer)] = bytes;
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* pointer) {
  const auto locked = lock();
  emulation::drain_all();
  card().pinned.erase(static_cast<const std::byte*>(pointer));
  std::free(pointer);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const auto locked = lock();
  const bool to_device = kind != cudaMemcpyDeviceToHost,
             from_device = kind != cudaMemcpyHostToDevice;
  if (to_device != emulation::on_device(to, bytes) && bytes > 0) return cudaErrorInvalidValue;
  if (from_device != emulation::on_device(from, bytes) && bytes > 0) return cudaErrorInvalidValue;
  const void* host = to_device ? from : to;
  if ((to_device && from_device) || emulation::is_pinned(host)) {
    return emulation::give(stream, [=] {
      std::memcpy(to, from, bytes);
      return cudaSuccess;
    });
  }
  // Pageable memory: the call does not return before it was read, or written.
  if (stream->captured != nullptr) return cudaErrorStreamCaptureUnsupported;
  ++card().counts.synchronizations;
  if (const cudaError_t error = emulation::drain(stream); error != cudaSuccess) return error;
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  const auto locked = lock();
  if (bytes > 0 && !emulation::on_device(to, bytes)) return cudaErrorInvalidValue;
  return emulation::give(stream, [=] {
    std::memset(to, value, bytes);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const auto locked = lock();
  *stream = new CUstream_st;
  card().streams.insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const auto locked = lock();
  emulation::drain(stream);
  card().streams.erase(stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const auto locked = lock();
  if (stream->captured != nullptr) return cudaErrorStreamCaptureUnsupported;
  ++card().counts.synchronizations;
  emulation::drain(stream);
  emulation::check_guards();
  return card().sticky;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const auto locked = lock();
  return emulation::give(stream, [source = event->stream, ticket = event->ticket] {
    return source == nullptr ? cudaSuccess : emulation::run_until(source, ticket);
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const auto locked = lock();
  if (stream->captured != nullptr) return cudaErrorStreamCaptureUnsupported;
  *event = {stream, stream->given};
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const auto locked = lock();
  ++card().counts.synchronizations;
  return event->stream == nullptr ? cudaSuccess
                                  : emulation::run_until(event->stream, event->ticket);
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const auto locked = lock();
  if (stream->captured != nullptr) return cudaErrorStreamCaptureUnsupported;
  stream->captured = new CUgraph_st;
  ++card().capturing;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const auto locked = lock();
  if (stream->captured == nullptr) return cudaErrorInvalidValue;
  *graph = std::exchange(stream->captured, nullptr);
  --card().capturing;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  *executable = new CUgraphExec_st{graph->tasks};
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const auto locked = lock();
  ++card().counts.graph_launches;
  return emulation::give(stream, [tasks = executable->tasks] {
    for (const Task& task : tasks) {
      if (const cudaError_t error = task(); error != cudaSuccess) return error;
    }
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
