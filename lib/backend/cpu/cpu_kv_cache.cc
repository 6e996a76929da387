#include "backend/cpu/cpu_kv_cache.h"

#include <algorithm>
#include <cstring>

namespace octavo {
namespace {

CacheFormat cache_format(KvType type) {
  return type == KvType::kF32   ? CacheFormat::kF32
         : type == KvType::kF16 ? CacheFormat::kF16
                                : CacheFormat::kBF16;
}

constexpr int64_t whole_pages(int64_t positions) {
  return (positions + CpuKvCache::kPage - 1) / CpuKvCache::kPage * CpuKvCache::kPage;
}

}  // namespace

CpuKvCache::CpuKvCache(const KvShape& shape)
    : shape_(shape),
      format_(cache_format(shape.type)),
      head_bytes_(kv_head_bytes(shape.type, shape.head_dim)),
      page_bytes_(shape.layers * kPage * kv_entry_bytes(shape)),
      capacity_(whole_pages(shape.context)) {
  // A context up to the window never hides a key.
  if (shape.window >= shape.context) shape_.window = 0;
  // A ring has room for the window behind the first of a page of new rows.
  if (shape_.window > 0) capacity_ = std::min(capacity_, whole_pages(shape.window + kPage - 1));
  pages_.resize(static_cast<size_t>(capacity_ / kPage));
}

int64_t CpuKvCache::bytes() const {
  return std::count_if(pages_.begin(), pages_.end(),
                       [](const KvPage& page) { return bool{page}; }) *
         page_bytes_;
}

std::unique_ptr<KvCache> CpuKvCache::fork() const { return std::make_unique<CpuKvCache>(*this); }

void CpuKvCache::prepare(int64_t first, int64_t count) {
  for (int64_t page = first / kPage; page * kPage < first + count; ++page) {
    KvPage& kept = pages_[static_cast<size_t>(page % (capacity_ / kPage))];
    if (kept && kept.sole()) continue;
    KvPage own(page_bytes_);
    if (kept) std::memcpy(own.data(), kept.data(), static_cast<size_t>(page_bytes_));
    kept = std::move(own);
  }
}

std::byte* CpuKvCache::entry(int64_t layer, int64_t head, int64_t side, int64_t position) const {
  const int64_t slot = position % capacity_;
  const int64_t run = (layer * shape_.kv_heads + head) * 2 + side;
  return pages_[static_cast<size_t>(slot / kPage)].data() +
         (run * kPage + slot % kPage) * head_bytes_;
}

std::byte* CpuKvCache::key(int64_t layer, int64_t head, int64_t position) const {
  return entry(layer, head, 0, position);
}

std::byte* CpuKvCache::value(int64_t layer, int64_t head, int64_t position) const {
  return entry(layer, head, 1, position);
}

CpuKvCache::Runs CpuKvCache::visible(int64_t layer, int64_t head, int64_t first, int64_t last,
                                     std::span<KvRun> runs) const {
  Runs result = {};
  result.start = shape_.window > 0 ? std::max<int64_t>(0, first - shape_.window + 1) : 0;
  for (int64_t position = result.start; position <= last; ++result.count) {
    const int64_t end = std::min(last + 1, (position / kPage + 1) * kPage);
    runs[result.count] = {key(layer, head, position), value(layer, head, position), end - position};
    position = end;
  }
  return result;
}

template <class Body>
void CpuKvCache::for_entries(int64_t layer, int64_t first, int64_t count, Body&& body) const {
  int64_t offset = 0;
  for (int64_t position = first; position < first + count; ++position) {
    for (int64_t side = 0; side < 2; ++side) {
      for (int64_t head = 0; head < shape_.kv_heads; ++head, offset += head_bytes_) {
        body(offset, entry(layer, head, side, position));
      }
    }
  }
}

void CpuKvCache::read(int64_t layer, int64_t first, int64_t count,
                      std::span<std::byte> host) const {
  for_entries(layer, first, count, [&](int64_t offset, const std::byte* kept) {
    std::memcpy(host.data() + offset, kept, static_cast<size_t>(head_bytes_));
  });
}

void CpuKvCache::write(int64_t layer, int64_t first, int64_t count,
                       std::span<const std::byte> host) {
  prepare(first, count);
  for_entries(layer, first, count, [&](int64_t offset, std::byte* kept) {
    std::memcpy(kept, host.data() + offset, static_cast<size_t>(head_bytes_));
  });
}

}  // namespace octavo
