#include "backend/calibrating_backend.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

namespace octavo {
namespace {

void add_squares(std::span<const float> row, std::vector<double>& squares) {
  for (size_t c = 0; c < row.size(); ++c) {
    const double value = row[c];
    squares[c] += value * value;
  }
}

/// Row `row` of values [rows, cols].
std::span<const float> row_of(const std::vector<float>& values, int64_t row, int64_t cols) {
  return std::span(values).subspan(static_cast<size_t>(row * cols), static_cast<size_t>(cols));
}

ColumnSums& sums_for(CalibrationRecord& record, const Weight& weight) {
  ColumnSums& sums = record.sums[&weight];
  sums.squares.resize(static_cast<size_t>(weight.cols()));
  return sums;
}

/// Experts by falling logit, ties to the lower index.
void rank_experts(std::span<const float> logits, std::vector<int32_t>& order) {
  order.resize(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
}

/// softmax of the logits of `chosen`, best first.
void softmax_of(std::span<const float> logits, std::span<const int32_t> chosen,
                std::span<float> weights) {
  float sum = 0;
  for (size_t i = 0; i < chosen.size(); ++i) {
    weights[i] =
        std::exp(logits[static_cast<size_t>(chosen[i])] - logits[static_cast<size_t>(chosen[0])]);
    sum += weights[i];
  }
  for (float& weight : weights) weight /= sum;
}

/// gate = silu(gate) * up
void swiglu(std::vector<float>& gate, const std::vector<float>& up) {
  for (size_t i = 0; i < gate.size(); ++i) gate[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
}

}  // namespace

bool NearMiss::is_nearer_than(const NearMiss& other) const {
  return std::tuple(rank, -margin, row) < std::tuple(other.rank, -other.margin, other.row);
}

std::unique_ptr<Backend> CalibratingDevice::backend(const BackendLimits& limits) {
  BackendLimits wide = limits;
  wide.cols = std::max({limits.cols, limits.ffn_dim, limits.experts});
  return std::make_unique<CalibratingBackend>(inner_.backend(wide), limits, record_);
}

CalibratingBackend::CalibratingBackend(std::unique_ptr<Backend> inner, const BackendLimits& limits,
                                       CalibrationRecord& record)
    : ForwardingBackend(std::move(inner)), limits_(limits), record_(record) {}

void CalibratingBackend::embed(const Weight& table, std::span<const int32_t> ids, Activation& out) {
  first_row_ = record_.next_row;
  record_.next_row += static_cast<int64_t>(ids.size());
  inner_->embed(table, ids, out);
}

void CalibratingBackend::matmul(const Activation& x, int64_t first, int64_t rows,
                                std::span<const Projection> projections) {
  inner_->matmul(x, first, rows, projections);
  if (record_.is_forcing) return;
  read_all(x, first, rows, x_);
  for (const Projection& projection : projections) {
    ColumnSums& sums = sums_for(record_, *projection.weight);
    for (int64_t r = 0; r < rows; ++r) add_squares(row_of(x_, r, x.cols()), sums.squares);
    sums.rows += rows;
  }
}

void CalibratingBackend::moe_ffn(const Activation& x, int64_t rows, const Weight& router,
                                 std::span<const Expert> experts, int64_t top_k, Activation& out,
                                 Routing* routing) {
  route(x, rows, router, top_k);
  if (!record_.is_forcing && record_.most_misses > 0) note_misses(experts, top_k);
  read_all(x, 0, rows, x_);
  out_.assign(x_.size(), 0.0f);
  for (size_t e = 0; e < experts.size(); ++e) {
    uses_.clear();
    for (int64_t use = 0; use < rows * top_k; ++use) {
      if (routing_.experts[static_cast<size_t>(use)] != static_cast<int32_t>(e)) continue;
      uses_.push_back(
          {use / top_k, routing_.weights[static_cast<size_t>(use)], !record_.is_forcing});
    }
    add_wanted(experts[e], rows);
    run_expert(experts[e], x.cols());
  }
  inner_->write(out_, rows, out);
  if (routing != nullptr) *routing = routing_;
}

void CalibratingBackend::ffn(const Activation& x, int64_t rows, const Expert& expert,
                             Activation& out) {
  read_all(x, 0, rows, x_);
  out_.assign(x_.size(), 0.0f);
  uses_.clear();
  for (int64_t row = 0; row < rows; ++row) uses_.push_back({row, 1.0f, !record_.is_forcing});
  run_expert(expert, x.cols());
  inner_->write(out_, rows, out);
}

void CalibratingBackend::route(const Activation& x, int64_t rows, const Weight& router,
                               int64_t top_k) {
  const int64_t experts = router.rows();
  Activation& logits = scratch(logits_, experts);
  const Projection projection[] = {{&router, &logits}};
  inner_->matmul(x, 0, rows, projection);
  read_all(logits, 0, rows, routing_.logits);
  routing_.rows = rows;
  routing_.experts.resize(static_cast<size_t>(rows * top_k));
  routing_.weights.resize(static_cast<size_t>(rows * top_k));
  std::vector<int32_t> order;
  for (int64_t r = 0; r < rows; ++r) {
    const auto row = row_of(routing_.logits, r, experts);
    rank_experts(row, order);
    const auto first = static_cast<size_t>(r * top_k), count = static_cast<size_t>(top_k);
    std::copy_n(order.begin(), count, routing_.experts.begin() + r * top_k);
    softmax_of(row, std::span(order).first(count),
               std::span(routing_.weights).subspan(first, count));
  }
}

void CalibratingBackend::note_misses(std::span<const Expert> experts, int64_t top_k) {
  const auto is_nearer = [](const NearMiss& a, const NearMiss& b) { return a.is_nearer_than(b); };
  std::vector<int32_t> order;
  for (int64_t r = 0; r < routing_.rows; ++r) {
    const auto row = row_of(routing_.logits, r, static_cast<int64_t>(experts.size()));
    rank_experts(row, order);
    const float last_chosen = row[static_cast<size_t>(order[static_cast<size_t>(top_k - 1)])];
    for (auto rank = static_cast<size_t>(top_k); rank < order.size(); ++rank) {
      const auto expert = static_cast<size_t>(order[rank]);
      const NearMiss miss = {static_cast<int64_t>(rank), row[expert] - last_chosen, first_row_ + r};
      std::vector<NearMiss>& heap = record_.misses[experts[expert].w1.get()];
      if (static_cast<int64_t>(heap.size()) >= record_.most_misses) {
        if (!miss.is_nearer_than(heap.front())) continue;
        std::pop_heap(heap.begin(), heap.end(), is_nearer);
        heap.pop_back();
      }
      heap.push_back(miss);
      std::push_heap(heap.begin(), heap.end(), is_nearer);
    }
  }
}

void CalibratingBackend::add_wanted(const Expert& expert, int64_t rows) {
  if (!record_.is_forcing) return;
  const auto found = record_.wanted.find(expert.w1.get());
  if (found == record_.wanted.end()) return;
  const std::vector<int64_t>& wanted = found->second;
  for (auto at = std::lower_bound(wanted.begin(), wanted.end(), first_row_);
       at != wanted.end() && *at < first_row_ + rows; ++at) {
    uses_.push_back({*at - first_row_, 0.0f, true});
  }
}

void CalibratingBackend::run_expert(const Expert& expert, int64_t dim) {
  if (uses_.empty()) return;
  const auto rows = static_cast<int64_t>(uses_.size());
  const int64_t ffn_dim = expert.w1->rows();
  gathered_.clear();
  for (const Use& use : uses_) {
    const auto row = row_of(x_, use.row, dim);
    gathered_.insert(gathered_.end(), row.begin(), row.end());
  }
  Activation& in = scratch(in_, dim);
  Activation &hidden = scratch(hidden_, ffn_dim), &above = scratch(above_, ffn_dim);
  Activation& down = scratch(down_, dim);
  const Projection up_projections[] = {{expert.w1.get(), &hidden}, {expert.w3.get(), &above}};
  const Projection down_projection[] = {{expert.w2.get(), &down}};
  inner_->write(gathered_, rows, in);
  inner_->matmul(in, 0, rows, up_projections);
  read_all(hidden, 0, rows, gate_);
  read_all(above, 0, rows, up_);
  swiglu(gate_, up_);
  sum_uses(*expert.w1, gathered_);
  sum_uses(*expert.w3, gathered_);
  sum_uses(*expert.w2, gate_);

  inner_->write(gate_, rows, hidden);
  inner_->matmul(hidden, 0, rows, down_projection);
  read_all(down, 0, rows, gathered_);
  for (size_t i = 0; i < uses_.size(); ++i) {
    if (uses_[i].weight == 0) continue;
    float* out = out_.data() + uses_[i].row * dim;
    const float* part = gathered_.data() + static_cast<int64_t>(i) * dim;
    for (int64_t c = 0; c < dim; ++c) out[c] += uses_[i].weight * part[c];
  }
}

void CalibratingBackend::sum_uses(const Weight& weight, const std::vector<float>& values) {
  ColumnSums& sums = sums_for(record_, weight);
  for (size_t i = 0; i < uses_.size(); ++i) {
    if (!uses_[i].is_summed) continue;
    add_squares(row_of(values, static_cast<int64_t>(i), weight.cols()), sums.squares);
    ++(record_.is_forcing ? sums.forced : sums.rows);
  }
}

void CalibratingBackend::read_all(const Activation& x, int64_t first, int64_t rows,
                                  std::vector<float>& host) {
  host.resize(static_cast<size_t>(rows * x.cols()));
  inner_->read(x, first, rows, host);
}

Activation& CalibratingBackend::scratch(ActivationPtr& activation, int64_t cols) {
  if (!activation) activation = inner_->activation(limits_.rows, cols);
  return *activation;
}

}  // namespace octavo
