#include "backend/cuda/cuda_kv_cache.h"

#include <algorithm>

#include "backend/cuda/kernels/kv_entries.h"
#include "backend/cuda/kernels/state.h"
#include "backend/cuda/queue.h"

namespace octavo::cuda {
namespace {

constexpr int64_t whole_pages(int64_t positions) {
  return (positions + kKvPage - 1) / kKvPage * kKvPage;
}

/// Entries on their way between host and device at a time.
constexpr int64_t kStagingBytes = int64_t{8} << 20;

void clear(std::byte* device, int64_t bytes, const OwnedStream& stream) {
  check(cudaMemsetAsync(device, 0, static_cast<size_t>(bytes), stream), "clearing memory");
}

}  // namespace

CudaKvCache::CudaKvCache(const KvShape& shape)
    : shape_(shape),
      row_(kv_row(shape.head_dim)),
      layer_bytes_(kv_layer_bytes(shape.type, row_, shape.kv_heads)),
      page_bytes_(shape.layers * layer_bytes_),
      capacity_(whole_pages(shape.context)) {
  // A context up to the window never hides a key.
  if (shape.window >= shape.context) shape_.window = 0;
  // A ring has room for the window behind the first of a page of new rows.
  if (shape_.window > 0) capacity_ = std::min(capacity_, whole_pages(shape.window + kKvPage - 1));
  pages_.resize(static_cast<size_t>(capacity_ / kKvPage));
  table_ = Buffer<std::byte*>(capacity_ / kKvPage, "the page table of keys and values");
  check(cudaMemsetAsync(table_.data(), 0, static_cast<size_t>(table_.bytes()), stream_),
        "clearing memory");
  stream_.wait();
}

CudaKvCache::~CudaKvCache() {
  try {
    settle();                        // other caches may write to the pages that it shares
  } catch (const std::exception&) {  // whoever waits next hears of it
  }
}

int64_t CudaKvCache::bytes() const {
  return std::count_if(pages_.begin(), pages_.end(),
                       [](const KvPage& page) { return bool{page}; }) *
         page_bytes_;
}

void CudaKvCache::settle() const {
  if (queue_ != nullptr) queue_->wait();
}

void CudaKvCache::use(const std::shared_ptr<Queue>& queue) {
  if (queue_ == queue) return;
  settle();
  queue_ = queue;
}

std::unique_ptr<KvCache> CudaKvCache::fork() const {
  settle();
  auto copy = std::make_unique<CudaKvCache>(shape_);
  copy->pages_ = pages_;
  std::vector<std::byte*> addresses;
  for (const KvPage& page : pages_) addresses.push_back(page ? page.data() : nullptr);
  to_device(addresses.data(), copy->table_.count(), copy->table_.data(), copy->stream_);
  copy->stream_.wait();
  return copy;
}

KvView CudaKvCache::view(int64_t layer) const {
  return {.pages = table_.data(),
          .layer_offset = layer * layer_bytes_,
          .side_bytes = kv_side_bytes(shape_.type, row_),
          .type = shape_.type,
          .page_count = static_cast<int32_t>(pages_.size()),
          .kv_heads = static_cast<int32_t>(shape_.kv_heads),
          .head_dim = static_cast<int32_t>(shape_.head_dim),
          .row = row_,
          .window = static_cast<int32_t>(shape_.window)};
}

void CudaKvCache::prepare(int64_t first, int64_t count, const OwnedStream& stream) {
  for (int64_t page = first / kKvPage; page * kKvPage < first + count; ++page) {
    const int64_t index = page % static_cast<int64_t>(pages_.size());
    KvPage& kept = pages_[static_cast<size_t>(index)];
    if (kept && kept.sole()) continue;
    KvPage own(Buffer<std::byte>(page_bytes_, "keys and values"));
    if (kept) {
      on_device(kept.data(), page_bytes_, own.data(), stream);
      stream.wait();  // another cache may write there as soon as it is let go
    } else {
      clear(own.data(), page_bytes_, stream);
    }
    kept = std::move(own);
    set_page(table_.data(), index, kept.data(), stream);
  }
}

void CudaKvCache::read(int64_t layer, int64_t first, int64_t count,
                       std::span<std::byte> host) const {
  settle();
  const int64_t entry = kv_entry_bytes(shape_);
  const int64_t step = std::clamp(kStagingBytes / entry, int64_t{1}, std::max(count, int64_t{1}));
  const Buffer<std::byte> staging(step * entry, "reading keys and values");
  for (int64_t done = 0; done < count; done += step) {
    const int64_t part = std::min(step, count - done);
    read_entries(view(layer), first + done, part, staging.data(), stream_);
    to_host(staging.data(), part * entry, host.data() + done * entry, stream_);
    stream_.wait();
  }
}

void CudaKvCache::write(int64_t layer, int64_t first, int64_t count,
                        std::span<const std::byte> host) {
  settle();
  const int64_t entry = kv_entry_bytes(shape_);
  const int64_t step = std::clamp(kStagingBytes / entry, int64_t{1}, std::max(count, int64_t{1}));
  const Buffer<std::byte> staging(step * entry, "writing keys and values");
  prepare(first, count, stream_);
  for (int64_t done = 0; done < count; done += step) {
    const int64_t part = std::min(step, count - done);
    to_device(host.data() + done * entry, part * entry, staging.data(), stream_);
    write_entries(view(layer), first + done, part, staging.data(), stream_);
    stream_.wait();
  }
}

}  // namespace octavo::cuda
