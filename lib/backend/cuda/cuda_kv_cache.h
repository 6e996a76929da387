// Keys and values on the device, in pages of 64 positions that caches share until one writes.
#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "backend/cuda/kernels/kv_view.h"
#include "backend/cuda/memory.h"

namespace octavo::cuda {

class Queue;

/// Device memory of some positions in all layers, counted by the caches that hold it.
class KvPage {
 public:
  KvPage() = default;
  explicit KvPage(int64_t bytes) : body_(new Body{1, {bytes, "keys and values"}}) {}
  KvPage(const KvPage& other) noexcept : body_(other.body_) {
    if (body_ != nullptr) body_->users.fetch_add(1, std::memory_order_relaxed);
  }
  KvPage(KvPage&& other) noexcept : body_(std::exchange(other.body_, nullptr)) {}
  KvPage& operator=(KvPage other) noexcept {
    std::swap(body_, other.body_);
    return *this;
  }
  ~KvPage() {
    if (body_ != nullptr && body_->users.fetch_sub(1, std::memory_order_acq_rel) == 1) delete body_;
  }
  explicit operator bool() const { return body_ != nullptr; }
  std::byte* data() const { return body_->memory.data(); }
  bool sole() const { return body_->users.load(std::memory_order_acquire) == 1; }

 private:
  struct Body {
    std::atomic<int64_t> users;
    Buffer<std::byte> memory;
  };
  Body* body_ = nullptr;
};

class CudaKvCache final : public KvCache {
 public:
  explicit CudaKvCache(const KvShape& shape);
  ~CudaKvCache() override;
  CudaKvCache(const CudaKvCache&) = delete;
  CudaKvCache& operator=(const CudaKvCache&) = delete;

  const KvShape& shape() const override { return shape_; }
  int64_t capacity() const override { return shape_.window > 0 ? capacity_ : shape_.context; }
  int64_t bytes() const override;
  std::unique_ptr<KvCache> fork() const override;
  void read(int64_t layer, int64_t first, int64_t count, std::span<std::byte> host) const override;
  void write(int64_t layer, int64_t first, int64_t count, std::span<const std::byte> host) override;

  /// What a kernel needs of a layer.
  KvView view(int64_t layer) const;
  /// Bytes from one layer of a page to the next.
  int64_t layer_bytes() const { return layer_bytes_; }
  /// Rows that may be appended before the first of them attends.
  int64_t append_limit() const {
    return shape_.window > 0 ? capacity_ - shape_.window + 1 : capacity_;
  }
  /// What the cache is used for from now on is in `queue`.
  void use(const std::shared_ptr<Queue>& queue);
  /// Positions [first, first + count) may be written by what `stream` is given from now on: takes
  /// memory for them, and copies pages that others hold too. Throws Error(kIo) without memory.
  void prepare(int64_t first, int64_t count, const OwnedStream& stream);

 private:
  /// Waits until nothing that was given to the queue is left to do.
  void settle() const;

  KvShape shape_;
  int row_;
  int64_t layer_bytes_, page_bytes_, capacity_;
  std::vector<KvPage> pages_;     // [capacity / kKvPage], each [layers, layer_bytes]
  Buffer<std::byte*> table_;      // [capacity / kKvPage], their addresses
  OwnedStream stream_;            // of read() and write()
  std::shared_ptr<Queue> queue_;  // null: not used yet
};

}  // namespace octavo::cuda
