#include "convert/read_ahead.h"

#include <algorithm>

namespace octavo {
namespace {

/// Enough for a disk to be busy while the processors are.
constexpr int64_t kAheadBytes = int64_t{64} << 20;
/// Asked for at once.
constexpr int64_t kStepBytes = int64_t{4} << 20;

}  // namespace

void ReadAhead::used(int64_t bytes) {
  used_ += bytes;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return;  // who holds it sees these bytes, or the next one to come does
  while (asked_ - used_ < kAheadBytes && tensor_ < source_.tensors.size()) request_next();
}

void ReadAhead::request_next() {
  const SourceTensor& tensor = source_.tensors[tensor_];
  // Each row of a transposed tensor has bytes everywhere.
  const int64_t step =
      tensor.transposed ? tensor.rows : std::max<int64_t>(kStepBytes / tensor.row_bytes(), 1);
  const int64_t last = std::min(row_ + step, tensor.rows);
  request_rows(tensor, row_, last);
  asked_ += (last - row_) * tensor.row_bytes();
  row_ = last;
  if (row_ < tensor.rows) return;
  ++tensor_;
  row_ = 0;
}

}  // namespace octavo
