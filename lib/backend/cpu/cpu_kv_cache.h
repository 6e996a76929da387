// Keys and values in memory, one run of [capacity, head_dim] for each layer, kv head and side.
#pragma once

#include <array>

#include "backend/backend.h"
#include "backend/cpu/memory.h"
#include "simd/kernels.h"

namespace octavo {

class CpuKvCache final : public KvCache {
 public:
  /// Rows that are written before they attend, when the cache is a ring.
  static constexpr int64_t kRingSlack = 64;

  explicit CpuKvCache(const KvShape& shape);
  const KvShape& shape() const override { return shape_; }
  int64_t bytes() const override;

  CacheFormat format() const { return format_; }
  /// Rows that may be appended before the first of them attends.
  int64_t append_limit() const {
    return shape_.window > 0 ? capacity_ - shape_.window + 1 : capacity_;
  }

  std::byte* key(int64_t layer, int64_t head, int64_t position);
  std::byte* value(int64_t layer, int64_t head, int64_t position);
  /// Notes that `position` has been written (for bytes()).
  void note_written(int64_t position) { written_ = std::max(written_, position + 1); }

  /// The entries that the tokens at positions [first, last] see, oldest first: one run, or two
  /// where the ring wraps.
  struct Runs {
    std::array<KvRun, 2> run;
    size_t count;
    int64_t start;  ///< position of the oldest
  };
  Runs visible(int64_t layer, int64_t head, int64_t first, int64_t last);

 private:
  std::byte* entry(int64_t layer, int64_t head, int64_t side, int64_t slot);

  KvShape shape_;
  CacheFormat format_;
  int64_t entry_bytes_, capacity_, written_ = 0;
  Pages pages_;
};

}  // namespace octavo
