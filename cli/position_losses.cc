#include "position_losses.h"

#include <algorithm>

namespace octavo::cli {
namespace {

constexpr int64_t kFirstBucket = 256;

}  // namespace

PositionLosses::PositionLosses(int64_t context) {
  for (int64_t first = 0, end = kFirstBucket; first < context; first = end, end *= 2) {
    buckets_.push_back({std::max<int64_t>(first, 1), std::min(end, context) - 1, {}, {}});
  }
}

void PositionLosses::add(int64_t before, double loss) {
  for (Bucket& bucket : buckets_) {
    if (before > bucket.last) continue;
    if (before >= bucket.first) bucket.here.add(loss);
    bucket.until.add(loss);
  }
}

}  // namespace octavo::cli
