#include "backend/profiled_backend.h"

#include <algorithm>
#include <chrono>

namespace octavo {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Multiplications and additions of `rows` rows with a matrix.
double product_operations(const Weight& weight, int64_t rows) {
  return 2.0 * static_cast<double>(weight.rows()) * static_cast<double>(weight.cols()) *
         static_cast<double>(rows);
}

/// One expert for `rows` rows; nothing of it is read when there are none.
void count_expert(const Expert& expert, int64_t rows, OpTotals& totals) {
  if (rows == 0) return;
  for (const WeightPtr& weight : {expert.w1, expert.w3, expert.w2}) {
    totals.bytes += static_cast<double>(weight->bytes());
    totals.operations += product_operations(*weight, rows);
  }
}

/// Keys (and as many values) that the token at `position` sees.
int64_t visible_keys(const KvShape& shape, int64_t position) {
  return shape.window > 0 ? std::min(position + 1, shape.window) : position + 1;
}

void count_attention(const KvShape& shape, int64_t heads, int64_t rows, int64_t position,
                     OpTotals& totals) {
  int64_t seen = 0;
  for (int64_t row = 0; row < rows; ++row) seen += visible_keys(shape, position + row);
  // All that the first row sees, and what the rows append.
  const int64_t entries = visible_keys(shape, position) + rows - 1;
  totals.bytes += static_cast<double>(entries * kv_entry_bytes(shape));
  totals.operations += 4.0 * static_cast<double>(heads * shape.head_dim * seen);
}

}  // namespace

std::string_view op_name(Op op) {
  constexpr std::array<std::string_view, kOps> kNames = {
      "embed", "rmsnorm", "matmul_qkv", "attention",     "shift", "matmul_out",
      "add",   "moe_ffn", "ffn",        "matmul_logits", "read"};
  return kNames[static_cast<size_t>(op)];
}

ProfiledBackend::ProfiledBackend(std::unique_ptr<Backend> inner, const BackendLimits& limits,
                                 OpRecord& record)
    : ForwardingBackend(std::move(inner)), record_(record), uses_(limits.experts) {
  routing_.logits.reserve(limits.rows * limits.experts);
  routing_.experts.reserve(limits.rows * limits.top_k);
  routing_.weights.reserve(limits.rows * limits.top_k);
}

template <class Call>
OpTotals& ProfiledBackend::timed(Op op, Call&& call) {
  const auto start = std::chrono::steady_clock::now();
  call();
  OpTotals& totals = record_[static_cast<size_t>(op)];
  totals.seconds += seconds_since(start);
  ++totals.calls;
  last_ = op;
  return totals;
}

Op ProfiledBackend::product(std::span<const Projection> projections) const {
  if (projections.size() > 1) return Op::kQkv;
  return last_ == Op::kAttention ? Op::kOutput : Op::kLogits;
}

void ProfiledBackend::embed(const Weight& table, std::span<const int32_t> ids, Activation& out) {
  OpTotals& totals = timed(Op::kEmbed, [&] { inner_->embed(table, ids, out); });
  totals.bytes += static_cast<double>(table.bytes()) / static_cast<double>(table.rows()) *
                  static_cast<double>(ids.size());
}

void ProfiledBackend::rmsnorm(const Activation& x, int64_t rows, const Weight& gain, float eps,
                              Activation& out) {
  timed(Op::kRmsnorm, [&] { inner_->rmsnorm(x, rows, gain, eps, out); });
}

void ProfiledBackend::matmul(const Activation& x, int64_t first, int64_t rows,
                             std::span<const Projection> projections) {
  OpTotals& totals =
      timed(product(projections), [&] { inner_->matmul(x, first, rows, projections); });
  for (const Projection& projection : projections) {
    totals.bytes += static_cast<double>(projection.weight->bytes());
    totals.operations += product_operations(*projection.weight, rows);
  }
}

void ProfiledBackend::attention(Activation& q, Activation& k, const Activation& v, int64_t rows,
                                const AttentionShape& shape, KvCache& cache, int64_t layer,
                                int64_t position, Activation& out) {
  OpTotals& totals = timed(Op::kAttention, [&] {
    inner_->attention(q, k, v, rows, shape, cache, layer, position, out);
  });
  count_attention(cache.shape(), shape.heads, rows, position, totals);
}

void ProfiledBackend::shift(KvCache& cache, int64_t first, int64_t end, int64_t by,
                            double rope_theta) {
  OpTotals& totals = timed(Op::kShift, [&] { inner_->shift(cache, first, end, by, rope_theta); });
  const KvShape& shape = cache.shape();
  totals.bytes += static_cast<double>((end - first) * shape.layers * kv_entry_bytes(shape));
  // Of keys alone: two products and a sum for each value.
  totals.operations +=
      3.0 * static_cast<double>((end - first) * shape.layers * shape.kv_heads * shape.head_dim);
}

void ProfiledBackend::moe_ffn(const Activation& x, int64_t rows, const Weight& router,
                              std::span<const Expert> experts, int64_t top_k, Activation& out,
                              Routing* routing) {
  // The decisions say which experts were read.
  Routing& decided = routing != nullptr ? *routing : routing_;
  OpTotals& totals =
      timed(Op::kMoe, [&] { inner_->moe_ffn(x, rows, router, experts, top_k, out, &decided); });
  totals.bytes += static_cast<double>(router.bytes());
  totals.operations += product_operations(router, rows);
  std::fill(uses_.begin(), uses_.end(), 0);
  for (const int32_t expert : decided.experts) ++uses_[expert];
  for (size_t i = 0; i < experts.size(); ++i) count_expert(experts[i], uses_[i], totals);
}

void ProfiledBackend::ffn(const Activation& x, int64_t rows, const Expert& expert,
                          Activation& out) {
  count_expert(expert, rows, timed(Op::kFfn, [&] { inner_->ffn(x, rows, expert, out); }));
}

void ProfiledBackend::add(const Activation& y, int64_t rows, Activation& x) {
  timed(Op::kAdd, [&] { inner_->add(y, rows, x); });
}

void ProfiledBackend::read(const Activation& x, int64_t first, int64_t rows,
                           std::span<float> host) {
  timed(Op::kRead, [&] { inner_->read(x, first, rows, host); });
}

}  // namespace octavo
