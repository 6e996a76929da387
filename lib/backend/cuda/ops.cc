#include "backend/cuda/ops.h"

#include <span>

namespace octavo::cuda {
namespace {

/// Whether `last` computes just the rows that `next` multiplies.
bool feeds(const NormOp& last, const float* x, int64_t rows, int64_t cols) {
  return last.out == x && last.rows == rows && last.cols == cols;
}
bool feeds(const AttentionOp& last, const float* x, int64_t rows, int64_t cols) {
  return last.rows.out == x && last.rows.rows == rows &&
         int64_t{last.rows.heads} * last.cache.head_dim == cols;
}

bool can_leave_q8(const NormOp&) { return true; }
bool can_leave_q8(const AttentionOp& op) {
  return op.cache.row <= kAttendFewRow && op.cache.head_dim % 32 == 0 &&
         op.rows.heads * op.cache.head_dim % 64 == 0;
}

/// Whether `last` leaves x quantized from now on.
template <class Last>
bool takes_over_q8(Last& last, const float* x, int64_t rows, int64_t cols) {
  if (!feeds(last, x, rows, cols) || !can_leave_q8(last)) return false;
  last.leaves_q8 = true;
  return true;
}
bool takes_over_q8(Op& last, const float* x, int64_t rows, int64_t cols) {
  if (auto* norm = std::get_if<NormOp>(&last)) return takes_over_q8(*norm, x, rows, cols);
  if (auto* attention = std::get_if<AttentionOp>(&last)) {
    return takes_over_q8(*attention, x, rows, cols);
  }
  return false;
}

}  // namespace

FormatSet input_formats(const MatmulOp& op) {
  FormatSet set = 0;
  for (const Product& product : std::span(op.products).first(op.count)) {
    set |= format_bit(product.weight.format);
  }
  return set;
}

FormatSet input_formats(const MoeOp& op) {
  return op.experts.hidden_mixed ? ~FormatSet{0} : op.experts.hidden;
}

bool fuse(Op& last, Op& next) {
  if (auto* norm = std::get_if<NormOp>(&next)) {
    const auto* add = std::get_if<AddOp>(&last);
    if (add == nullptr || add->y != norm->x || add->count != norm->rows * norm->cols) return false;
    norm->added = add->x;
    last = next;
    return true;
  }
  if (auto* matmul = std::get_if<MatmulOp>(&next)) {
    matmul->finds_q8 = (input_formats(*matmul) & kQuantizedFormats) != 0 &&
                       takes_over_q8(last, matmul->x, matmul->rows, matmul->cols);
  } else if (auto* moe = std::get_if<MoeOp>(&next)) {
    moe->finds_q8 = (input_formats(*moe) & kQuantizedFormats) != 0 &&
                    takes_over_q8(last, moe->x, moe->rows, moe->experts.dim);
  }
  return false;
}

}  // namespace octavo::cuda
