// CUDA's calls for memory: NaNs at first, guards on both sides, copies that wait in their streams.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "cuda_emulation/card.h"

namespace octavo::cuda_emulation {
namespace {

constexpr unsigned char kGuardByte = 0xA5;

bool guards_hold(std::byte* pointer, const Block& block) {
  const auto whole = [](const std::byte* guard) {
    return std::all_of(guard, guard + kGuard,
                       [](std::byte byte) { return byte == std::byte{kGuardByte}; });
  };
  return whole(pointer - kGuard) && whole(pointer + block.bytes);
}

}  // namespace

void set_guards(std::byte* pointer, size_t bytes) {
  std::memset(pointer - kGuard, kGuardByte, kGuard);
  std::memset(pointer + bytes, kGuardByte, kGuard);
}

cudaError_t check_guards() {
  for (const auto& [pointer, block] : card().blocks) {
    if (guards_hold(pointer, block)) continue;
    return fail(cudaErrorIllegalAddress, "something was written beside an allocation of " +
                                             std::to_string(block.bytes) + " bytes");
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

bool on_device(const void* pointer, size_t bytes) {
  auto* at = const_cast<std::byte*>(static_cast<const std::byte*>(pointer));
  auto next = card().blocks.upper_bound(at);
  if (next == card().blocks.begin()) return false;
  --next;
  return at + bytes <= next->first + next->second.bytes;
}

}  // namespace octavo::cuda_emulation

namespace emulation = octavo::cuda_emulation;
using emulation::card;
using emulation::lock;

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
