// The plainly right twins of the attention kernels.
#include "simd/scalar_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace octavo::scalar {
namespace {

// Weighs the positions [begin, end) of the blocks one by one; a larger score rescales what came
// before.
class Row {
 public:
  explicit Row(const AttendTile& tile)
      : tile_(tile),
        entry_(static_cast<size_t>(cache_entry_bytes(tile.format, tile.head_dim))),
        key_(static_cast<size_t>(tile.head_dim)),
        value_(key_.size()) {}

  void attend(const float* q, int64_t begin, int64_t end, float* out) {
    largest_ = std::numeric_limits<float>::lowest();
    total_ = 0;
    std::fill_n(out, tile_.head_dim, 0.0f);
    for (int64_t position = begin; position < end; ++position) {
      read(position);
      float dot = 0;
      for (int64_t k = 0; k < tile_.head_dim; ++k) dot += q[k] * key_[static_cast<size_t>(k)];
      const float score = dot * tile_.scale, before = largest_;
      largest_ = std::max(largest_, score);
      const float shrink = std::exp(before - largest_), weight = std::exp(score - largest_);
      total_ = total_ * shrink + weight;
      for (int64_t k = 0; k < tile_.head_dim; ++k) {
        out[k] = out[k] * shrink + weight * value_[static_cast<size_t>(k)];
      }
    }
  }
  float largest() const { return largest_; }
  float total() const { return total_; }

 private:
  void read(int64_t position) {
    const int64_t at = position - tile_.first;
    const KvBlock& block = tile_.blocks[static_cast<size_t>(at / kTileKeys)];
    get_key(tile_.format, tile_.head_dim, block.keys, at % kTileKeys, entry_.data());
    entry_to_floats(tile_.format, entry_.data(), key_);
    get_value(tile_.format, tile_.head_dim, block.values, at % kTileKeys, entry_.data());
    entry_to_floats(tile_.format, entry_.data(), value_);
  }

  const AttendTile& tile_;
  std::vector<std::byte> entry_;    // [cache_entry_bytes]
  std::vector<float> key_, value_;  // [head_dim]
  float largest_ = 0, total_ = 0;
};

}  // namespace

void attend_tile(const AttendTile& tile, float* /*scratch*/) {
  Row row(tile);
  const int64_t last = tile.first + kTileKeys * static_cast<int64_t>(tile.blocks.size());
  for (int64_t t = 0; t < tile.tokens; ++t) {
    const int64_t end = tile.position + t + 1;
    const int64_t oldest = tile.window > 0 ? std::max<int64_t>(0, end - tile.window) : 0;
    for (int64_t g = 0; g < tile.group; ++g) {
      float* out = tile.out + t * tile.out_stride + g * tile.head_dim;
      row.attend(tile.q + t * tile.q_stride + g * tile.head_dim, std::max(oldest, tile.first),
                 std::min(end, last), out);
      if (tile.largest == nullptr) {
        const float factor = 1 / row.total();  // as sums of parts are weighted
        for (int64_t k = 0; k < tile.head_dim; ++k) out[k] *= factor;
      } else {
        tile.largest[t * tile.group + g] = row.largest();
        tile.total[t * tile.group + g] = row.total();
      }
    }
  }
}

}  // namespace octavo::scalar
