// Which kernels an op is.
#include <algorithm>
#include <variant>

#include "backend/cuda/kernels/attention.h"
#include "backend/cuda/kernels/experts_few.h"
#include "backend/cuda/kernels/experts_tiles.h"
#include "backend/cuda/kernels/matmul_tiles.h"
#include "backend/cuda/kernels/router.h"
#include "backend/cuda/kernels/row_ops.h"
#include "backend/cuda/queue.h"

namespace octavo::cuda {
namespace {

/// Formats that are multiplied as floats where there are many rows.
constexpr FormatSet kFloats = format_bit(Format::kF32) | format_bit(Format::kF16);
constexpr FormatSet kBf16 = format_bit(Format::kBF16);

/// x [rows, cols] as a few rows' product takes it; `found`: it is quantized already.
FewInput few_input(const Scratch& scratch, FormatSet formats, bool found, const float* x,
                   int64_t cols, int64_t rows, Stream stream) {
  FewInput input = {x, cols, {}};
  if ((formats & kQuantizedFormats) != 0) {
    input.q8 = scratch.few_in.rows(cols);
    if (!found) quantize_q8(x, cols, rows, input.q8, stream);
  }
  return input;
}

/// And as the product of many rows takes it.
TileInput tile_input(const Scratch& scratch, FormatSet formats, const float* x, int64_t cols,
                     int64_t rows, Stream stream) {
  TileInput input = {x, cols, {}};
  if ((formats & ~kFloats) != 0) {
    input.bf16 = scratch.tile_in.rows(cols, (formats & kBf16) != 0);
    to_bf16_rows(x, cols, rows, input.bf16, stream);
  }
  return input;
}

}  // namespace

void Queue::launch(const Op& op) {
  std::visit([this](const auto& one) { run(one); }, op);
}

void Queue::run(const EmbedOp& op) { embed(op.table, state_.data() + 1, op.rows, op.out, stream_); }

void Queue::run(const NormOp& op) {
  const Q8 q8 = op.leaves_q8 ? scratch_.few_in.rows(op.cols) : Q8{};
  rmsnorm({op.x, op.added, op.gain, op.eps, op.out, q8}, op.rows, op.cols, stream_);
}

void Queue::run(const AddOp& op) { cuda::add(op.y, op.count, op.x, stream_); }

void Queue::run(const MatmulOp& op) {
  const std::span<const Product> products = std::span(op.products).first(op.count);
  const FormatSet formats = input_formats(op);
  if (op.rows >= kTileLeastRows) {
    multiply_tiles(products, tile_input(scratch_, formats, op.x, op.cols, op.rows, stream_),
                   op.rows, stream_);
    return;
  }
  for (int64_t first = 0; first < op.rows; first += kFewRows) {
    const int64_t rows = std::min(kFewRows, op.rows - first);
    std::array<Product, kMostProducts> pass = op.products;
    for (Product& product : pass) product.y += first * product.y_stride;
    multiply_few(
        std::span(pass).first(op.count),
        few_input(scratch_, formats, op.finds_q8, op.x + first * op.cols, op.cols, rows, stream_),
        rows, scratch_.partials(), stream_);
  }
}

void Queue::run(const AttentionOp& op) {
  rope_append(op.rows, op.cache, stream_);
  if (op.rows.rows <= kFewRows && op.cache.row <= kAttendFewRow) {
    const int64_t cols = int64_t{op.rows.heads} * op.cache.head_dim;
    const Q8 q8 = op.leaves_q8 ? scratch_.few_in.rows(cols) : Q8{};
    attend_few(op.rows, op.cache, op.parts, attention_.data(), q8, stream_);
  } else if (attends_in_tiles(op.cache)) {
    attend_tiles(op.rows, op.cache, stream_);
  } else {
    attend_plain(op.rows, op.cache, stream_);
  }
}

void Queue::run(const MoeOp& op) {
  if (op.router.data != nullptr) {
    route(op.x, op.router.cols, op.rows, op.router, op.top_k, scratch_.logits.data(),
          scratch_.experts.data(), scratch_.weights.data(), stream_);
  }
  if (op.rows >= kTileLeastRows) return run_tiles(op);
  for (int64_t first = 0; first < op.rows; first += kFewRows) {
    run_few(op, first, std::min(kFewRows, op.rows - first));
  }
}

void Queue::run_few(const MoeOp& op, int64_t first, int64_t rows) {
  const Experts& experts = op.experts;
  const int64_t dim = experts.dim;
  Routed routed = {nullptr, nullptr, op.top_k};
  if (op.router.data != nullptr) {
    routed.experts = scratch_.experts.data() + first * op.top_k;
    routed.weights = scratch_.weights.data() + first * op.top_k;
  }
  HiddenFew hidden;
  if ((experts.output & ~kQuantizedFormats) != 0) hidden.values = scratch_.few_values.data();
  if ((experts.output & kQuantizedFormats) != 0) hidden.q8 = scratch_.few_hidden.rows(experts.ffn);
  hidden_few(
      experts,
      few_input(scratch_, input_formats(op), op.finds_q8, op.x + first * dim, dim, rows, stream_),
      routed, rows, hidden, stream_);
  output_few(experts, hidden, routed, rows, scratch_.partials(), op.out + first * dim, dim,
             stream_);
}

void Queue::run_tiles(const MoeOp& op) {
  const Experts& experts = op.experts;
  const int64_t dim = experts.dim;
  const bool routed = op.router.data != nullptr;
  Slots slots = {nullptr, nullptr, nullptr, op.top_k};
  if (routed) {
    slots = scratch_.slots(op.top_k);
    sort_by_expert(scratch_.experts.data(), op.rows, experts.count, slots, stream_);
  }
  HiddenTiles hidden;
  if ((experts.output & kFloats) != 0) hidden.values = scratch_.hidden.data();
  if ((experts.output & ~kFloats) != 0) {
    hidden.bf16 = scratch_.tile_hidden.rows(experts.ffn, (experts.output & kBf16) != 0);
  }
  hidden_tiles(experts, tile_input(scratch_, input_formats(op), op.x, dim, op.rows, stream_), slots,
               op.rows, hidden, stream_);
  float* const outputs = routed ? scratch_.outputs.data() : op.out;
  output_tiles(experts, hidden, slots, op.rows, outputs, dim, stream_);
  if (routed) {
    gather_experts(outputs, dim, slots, scratch_.weights.data(), op.rows, dim, op.out, dim,
                   stream_);
  }
}

}  // namespace octavo::cuda
