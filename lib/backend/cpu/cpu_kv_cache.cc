#include "backend/cpu/cpu_kv_cache.h"

#include <algorithm>
#include <cstring>

namespace octavo {
namespace {

CacheFormat cache_format(KvType type) {
  return type == KvType::kF32    ? CacheFormat::kF32
         : type == KvType::kF16  ? CacheFormat::kF16
         : type == KvType::kBF16 ? CacheFormat::kBF16
                                 : CacheFormat::kQ8_0;
}

constexpr int64_t whole_pages(int64_t positions) {
  return (positions + CpuKvCache::kPage - 1) / CpuKvCache::kPage * CpuKvCache::kPage;
}

/// From here on a large page of the system's holds little that will not be used.
constexpr int64_t kHugeBytes = int64_t{2} << 20;

Pages page_memory(int64_t bytes) {
  Pages memory(bytes);
  memory.prefer_huge(bytes >= kHugeBytes);
  return memory;
}

}  // namespace

CpuKvCache::CpuKvCache(const KvShape& shape)
    : shape_(shape),
      format_(cache_format(shape.type)),
      entry_bytes_(kv_head_bytes(shape.type, shape.head_dim)),
      keys_bytes_(kv_keys_bytes(format_, shape.head_dim)),
      block_bytes_(keys_bytes_ + kv_values_bytes(format_, shape.head_dim)),
      page_bytes_(shape.layers * shape.kv_heads * block_bytes_),
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
    KvPage own(page_memory(page_bytes_));
    if (kept) std::memcpy(own.data(), kept.data(), static_cast<size_t>(page_bytes_));
    kept = std::move(own);
  }
}

std::byte* CpuKvCache::keys(int64_t layer, int64_t head, int64_t position) const {
  return pages_[static_cast<size_t>(position % capacity_ / kPage)].data() +
         (layer * shape_.kv_heads + head) * block_bytes_;
}

void CpuKvCache::put(int64_t layer, int64_t head, int64_t position, const std::byte* key,
                     const std::byte* value) {
  std::byte* block = keys(layer, head, position);
  put_key(format_, shape_.head_dim, key, position % kPage, block);
  put_value(format_, shape_.head_dim, value, position % kPage, block + keys_bytes_);
}

size_t CpuKvCache::blocks(int64_t layer, int64_t head, int64_t first, int64_t last,
                          std::span<KvBlock> out) const {
  size_t count = 0;
  for (int64_t position = first / kPage * kPage; position <= last; position += kPage) {
    const std::byte* block = keys(layer, head, position);
    out[count++] = {block, block + keys_bytes_};
  }
  return count;
}

void CpuKvCache::read(int64_t layer, int64_t first, int64_t count,
                      std::span<std::byte> host) const {
  const int64_t side = shape_.kv_heads * entry_bytes_;
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t head = 0; head < shape_.kv_heads; ++head) {
      const std::byte* block = keys(layer, head, first + i);
      std::byte* entry = host.data() + 2 * i * side + head * entry_bytes_;
      const int64_t slot = (first + i) % kPage;
      get_key(format_, shape_.head_dim, block, slot, entry);
      get_value(format_, shape_.head_dim, block + keys_bytes_, slot, entry + side);
    }
  }
}

void CpuKvCache::write(int64_t layer, int64_t first, int64_t count,
                       std::span<const std::byte> host) {
  prepare(first, count);
  const int64_t side = shape_.kv_heads * entry_bytes_;
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t head = 0; head < shape_.kv_heads; ++head) {
      const std::byte* entry = host.data() + 2 * i * side + head * entry_bytes_;
      put(layer, head, first + i, entry, entry + side);
    }
  }
}

}  // namespace octavo
