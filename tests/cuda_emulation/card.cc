// Work waits in its stream until somebody waits for it, as late as a card might do it: what is read
// or reused too early shows.
#include "cuda_emulation/card.h"

#include <utility>

namespace octavo::cuda_emulation {

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

std::unique_lock<std::recursive_mutex> lock() { return std::unique_lock(card().mutex); }

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
