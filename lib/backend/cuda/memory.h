// Memory, streams and events that free themselves. What frees does not look at results: a failure
// of the past would be reported there, and it has been.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "backend/cuda/runtime.h"

namespace octavo::cuda {

/// Calls kFree on what a handle points to.
template <auto kFree>
struct Freer {
  template <class T>
  void operator()(T* pointer) const {
    kFree(pointer);
  }
};

/// Takes `bytes` of the device. Throws Error(kIo) naming what they were for, how many, and what is
/// free.
void* allocate(int64_t bytes, const char* purpose);

/// T [count] in device memory.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(int64_t count, const char* purpose)
      : memory_(count > 0
                    ? static_cast<T*>(allocate(count * static_cast<int64_t>(sizeof(T)), purpose))
                    : nullptr),
        count_(count) {}
  T* data() const { return memory_.get(); }
  int64_t count() const { return count_; }
  int64_t bytes() const { return count_ * static_cast<int64_t>(sizeof(T)); }

 private:
  std::unique_ptr<T[], Freer<cudaFree>> memory_;
  int64_t count_ = 0;
};

/// T [count] in host memory that the device copies from and to by itself.
template <class T>
class Pinned {
 public:
  Pinned() = default;
  explicit Pinned(int64_t count) : count_(count) {
    void* memory = nullptr;
    check(cudaHostAlloc(&memory, static_cast<size_t>(count) * sizeof(T), cudaHostAllocDefault),
          "taking pinned host memory");
    memory_.reset(static_cast<T*>(memory));
  }
  T* data() const { return memory_.get(); }
  T& operator[](int64_t i) const { return memory_.get()[i]; }
  int64_t count() const { return count_; }

 private:
  std::unique_ptr<T[], Freer<cudaFreeHost>> memory_;
  int64_t count_ = 0;
};

class OwnedStream {
 public:
  OwnedStream() {
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
    stream_.reset(stream);
  }
  cudaStream_t get() const { return stream_.get(); }
  operator cudaStream_t() const { return stream_.get(); }
  void wait() const { check(cudaStreamSynchronize(get()), "waiting for the GPU"); }

 private:
  std::unique_ptr<CUstream_st, Freer<cudaStreamDestroy>> stream_;
};

class OwnedEvent {
 public:
  OwnedEvent() {
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
    event_.reset(event);
  }
  void record(const OwnedStream& stream) {
    check(cudaEventRecord(event_.get(), stream.get()), "recording an event");
  }
  void wait() const { check(cudaEventSynchronize(event_.get()), "waiting for the GPU"); }
  /// What `stream` is given from now on comes after it.
  void precede(const OwnedStream& stream) const {
    check(cudaStreamWaitEvent(stream.get(), event_.get(), 0), "waiting for another stream");
  }

 private:
  std::unique_ptr<CUevent_st, Freer<cudaEventDestroy>> event_;
};

/// Copies that follow in the stream; the host's side must be pinned or wait.
template <class T>
void to_device(const T* host, int64_t count, T* device, const OwnedStream& stream) {
  check(cudaMemcpyAsync(device, host, static_cast<size_t>(count) * sizeof(T),
                        cudaMemcpyHostToDevice, stream.get()),
        "copying to the GPU");
}
template <class T>
void to_host(const T* device, int64_t count, T* host, const OwnedStream& stream) {
  check(cudaMemcpyAsync(host, device, static_cast<size_t>(count) * sizeof(T),
                        cudaMemcpyDeviceToHost, stream.get()),
        "copying from the GPU");
}
template <class T>
void on_device(const T* from, int64_t count, T* to, const OwnedStream& stream) {
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(count) * sizeof(T), cudaMemcpyDeviceToDevice,
                        stream.get()),
        "copying on the GPU");
}

}  // namespace octavo::cuda
