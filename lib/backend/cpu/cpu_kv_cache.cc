#include "backend/cpu/cpu_kv_cache.h"

#include <algorithm>

namespace octavo {
namespace {

CacheFormat cache_format(KvType type) {
  return type == KvType::kF32   ? CacheFormat::kF32
         : type == KvType::kF16 ? CacheFormat::kF16
                                : CacheFormat::kBF16;
}

}  // namespace

CpuKvCache::CpuKvCache(const KvShape& shape)
    : shape_(shape),
      format_(cache_format(shape.type)),
      entry_bytes_(shape.head_dim * (shape.type == KvType::kF32 ? 4 : 2)),
      capacity_(shape.context) {
  if (shape.window > 0) capacity_ = std::min(shape.context, shape.window + kRingSlack - 1);
  // A context below the window never wraps and never hides a key.
  if (shape_.window >= capacity_) shape_.window = 0;
  pages_ = Pages(shape.layers * shape.kv_heads * 2 * capacity_ * entry_bytes_);
}

int64_t CpuKvCache::bytes() const {
  return shape_.layers * shape_.kv_heads * 2 * std::min(written_, capacity_) * entry_bytes_;
}

std::byte* CpuKvCache::entry(int64_t layer, int64_t head, int64_t side, int64_t slot) {
  const int64_t run = (layer * shape_.kv_heads + head) * 2 + side;
  return pages_.data() + (run * capacity_ + slot) * entry_bytes_;
}

std::byte* CpuKvCache::key(int64_t layer, int64_t head, int64_t position) {
  return entry(layer, head, 0, position % capacity_);
}

std::byte* CpuKvCache::value(int64_t layer, int64_t head, int64_t position) {
  return entry(layer, head, 1, position % capacity_);
}

CpuKvCache::Runs CpuKvCache::visible(int64_t layer, int64_t head, int64_t first, int64_t last) {
  const int64_t start = shape_.window > 0 ? std::max<int64_t>(0, first - shape_.window + 1) : 0;
  const int64_t count = last - start + 1, slot = start % capacity_;
  const int64_t before_wrap = std::min(count, capacity_ - slot);
  Runs runs = {};
  runs.run[0] = {entry(layer, head, 0, slot), entry(layer, head, 1, slot), before_wrap};
  runs.run[1] = {entry(layer, head, 0, 0), entry(layer, head, 1, 0), count - before_wrap};
  runs.count = before_wrap == count ? 1 : 2;
  runs.start = start;
  return runs;
}

}  // namespace octavo
