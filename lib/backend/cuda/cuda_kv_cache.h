// Keys and values on the device, in pages of 64 positions that caches share until one writes.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"
#include "backend/cuda/kernels/kv_view.h"
#include "backend/cuda/memory.h"
#include "backend/shared_page.h"

namespace octavo::cuda {

class Queue;

using KvPage = SharedPage<Buffer<std::byte>>;

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
