// Keys and values in pages of 64 positions, which caches share until one writes.
#pragma once

#include <algorithm>
#include <vector>

#include "backend/backend.h"
#include "backend/cpu/memory.h"
#include "backend/shared_page.h"
#include "simd/kernels.h"

namespace octavo {

using KvPage = SharedPage<Pages>;

class CpuKvCache final : public KvCache {
 public:
  /// Positions of a page.
  static constexpr int64_t kPage = kTileKeys;

  explicit CpuKvCache(const KvShape& shape);
  const KvShape& shape() const override { return shape_; }
  int64_t capacity() const override { return shape_.window > 0 ? capacity_ : shape_.context; }
  int64_t bytes() const override;
  std::unique_ptr<KvCache> fork() const override;
  void read(int64_t layer, int64_t first, int64_t count, std::span<std::byte> host) const override;
  void write(int64_t layer, int64_t first, int64_t count, std::span<const std::byte> host) override;

  CacheFormat format() const { return format_; }
  /// Rows that may be appended before the first of them attends.
  int64_t append_limit() const {
    return shape_.window > 0 ? capacity_ - shape_.window + 1 : capacity_;
  }
  /// Positions [first, first + count) may be written from now on: takes memory for them, and copies
  /// pages that others hold too. Throws Error(kIo) without memory.
  void prepare(int64_t first, int64_t count);

  /// An entry [cache_entry_bytes] as Kernels::to_cache makes it, of a position that was prepared.
  void put(int64_t layer, int64_t head, int64_t position, const std::byte* key,
           const std::byte* value);

  /// The blocks of the positions [first, last] of one head, which are held.
  size_t blocks(int64_t layer, int64_t head, int64_t first, int64_t last,
                std::span<KvBlock> out) const;
  /// Blocks that blocks() writes at most: the oldest and the newest positions may share one.
  int64_t most_blocks() const { return static_cast<int64_t>(pages_.size()) + 1; }
  /// The oldest position that a token sees.
  int64_t oldest(int64_t position) const {
    return shape_.window > 0 ? std::max<int64_t>(0, position - shape_.window + 1) : 0;
  }

 private:
  /// The block that holds `position`.
  std::byte* keys(int64_t layer, int64_t head, int64_t position) const;

  KvShape shape_;
  CacheFormat format_;
  int64_t entry_bytes_;               ///< of one position's key or value, outside
  int64_t keys_bytes_, block_bytes_;  ///< of one head's keys, and of both sides, in a page
  int64_t page_bytes_, capacity_;
  std::vector<KvPage> pages_;  ///< [capacity / kPage], each [layers, kv_heads, keys and values]
};

}  // namespace octavo
