// The mixture of experts on the CPU: route, sort the rows by expert, compute only the experts that
// were chosen.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "backend/cpu/cpu_backend.h"
#include "core/parallel.h"

namespace octavo {
namespace {

const CpuWeight& cpu(const WeightPtr& w) { return static_cast<const CpuWeight&>(*w); }

bool takes_q8(const CpuWeight& w) {
  return traits(w.view().format).activation == ActivationFormat::kQ8;
}

// The top_k largest of logits [experts], ties to the lower index, and their softmax.
void choose(const float* logits, int64_t experts, int64_t top_k, int32_t* chosen, float* weights) {
  for (int64_t rank = 0; rank < top_k; ++rank) {
    int32_t best = -1;
    for (int32_t e = 0; e < experts; ++e) {
      const bool taken = std::find(chosen, chosen + rank, e) != chosen + rank;
      if (!taken && (best < 0 || logits[e] > logits[best])) best = e;
    }
    chosen[rank] = best;
  }
  float sum = 0;
  for (int64_t rank = 0; rank < top_k; ++rank) {
    weights[rank] = std::exp(logits[chosen[rank]] - logits[chosen[0]]);
    sum += weights[rank];
  }
  for (int64_t rank = 0; rank < top_k; ++rank) weights[rank] /= sum;
}

}  // namespace

void CpuBackend::route(const CpuActivation& x, int64_t rows, const CpuWeight& router,
                       int64_t top_k) {
  const int64_t experts = router.rows();
  decided_.rows = rows;
  decided_.logits.resize(rows * experts);
  decided_.experts.resize(rows * top_k);
  decided_.weights.resize(rows * top_k);
  for_rows(rows, experts * x.cols(), [&](int64_t r) {
    const Operand row = {x.row(r), x.cols(), {}, 1};
    float* logits = decided_.logits.data() + r * experts;
    multiply(router, 0, packed_panels(experts), row, logits, experts);
    choose(logits, experts, top_k, decided_.experts.data() + r * top_k,
           decided_.weights.data() + r * top_k);
  });
}

// Counting sort of the decisions by expert, rows in order within an expert.
void CpuBackend::sort_slots(int64_t experts) {
  const auto uses = static_cast<int64_t>(decided_.experts.size());
  std::fill_n(expert_first_.begin(), experts + 1, 0);
  for (const int32_t e : decided_.experts) ++expert_first_[e + 1];
  std::partial_sum(expert_first_.begin(), expert_first_.begin() + experts + 1,
                   expert_first_.begin());
  slot_row_.resize(uses);
  slot_expert_.resize(uses);
  slot_of_.resize(uses);
  const int64_t top_k = uses / decided_.rows;
  for (int64_t use = 0; use < uses; ++use) {
    const int32_t e = decided_.experts[use];
    const int64_t slot = expert_first_[e]++;
    slot_of_[use] = slot;
    slot_row_[slot] = use / top_k;
    slot_expert_[slot] = e;
  }
}

// silu(w1 x) * (w3 x) for some panels of one expert, a few panels at a time so that w3's part stays
// near.
void CpuBackend::hidden_panels(const Segment& segment, const Operand& x, int64_t begin, int64_t end,
                               int thread) {
  const CpuWeight &w1 = cpu(segment.expert->w1), &w3 = cpu(segment.expert->w3);
  const int64_t ffn = w1.rows();
  float* hidden = hidden_.data() + segment.first * ffn;
  const int64_t width = kThreadBlock * kPanelRows;
  float* up = up_.data() + thread * kWave * width;
  for (int64_t p = begin; p < end; p += kThreadBlock) {
    const int64_t last = std::min(end, p + kThreadBlock), n = p * kPanelRows;
    multiply(w1, p, last, x, hidden, ffn);
    multiply(w3, p, last, x, up - n, width);
    const int64_t count = std::min(last * kPanelRows, ffn) - n;
    for (int64_t r = 0; r < x.rows; ++r) {
      kernels_.swiglu(hidden + r * ffn + n, up + r * width, count);
    }
  }
}

// The same through the dense library; returns the leading rows it computed.
int64_t CpuBackend::hidden_dense(const Segment& segment, const Operand& x) {
  const CpuWeight &w1 = cpu(segment.expert->w1), &w3 = cpu(segment.expert->w3);
  if (x.rows < DenseMatmul::kLeastRows) return 0;
  const int64_t ffn = w1.rows(), panels = packed_panels(ffn), width = kDenseBlock * kPanelRows;
  float* hidden = hidden_.data() + segment.first * ffn;
  int64_t done = 0;
  for (int64_t p = 0; p < panels; p += kDenseBlock) {
    const int64_t last = std::min(panels, p + kDenseBlock), n = p * kPanelRows;
    done = multiply_dense(w1, p, last, x, hidden, ffn);
    if (done == 0 || multiply_dense(w3, p, last, x, up_.data() - n, width) != done) return 0;
    const int64_t count = std::min(last * kPanelRows, ffn) - n;
    for_rows(done, count, [&](int64_t r) {
      kernels_.swiglu(hidden + r * ffn + n, up_.data() + r * width, count);
    });
  }
  return done;
}

// One wave: slots [first, first + rows) through their experts into down_.
void CpuBackend::run_wave(const CpuActivation& x, std::span<const Expert> experts, int64_t first,
                          int64_t rows) {
  const int64_t dim = x.cols(), ffn = experts[0].w1->rows();
  segments_.clear();
  for (int64_t s = 0; s < rows; ++s) {
    const Expert* expert = &experts[slot_expert_[first + s]];
    if (segments_.empty() || segments_.back().expert != expert) segments_.push_back({expert, s, 0});
    ++segments_.back().rows;
  }
  for_rows(rows, dim, [&](int64_t s) {
    std::copy_n(x.row(slot_row_[first + s]), dim, gathered_.data() + s * dim);
  });

  Operand in = {gathered_.data(), dim, q8_.rows(dim), rows};
  quantize_for(segments_, &Expert::w1, in, dim);
  dense_rows_.assign(segments_.size(), 0);
  for (size_t i = 0; i < segments_.size(); ++i) {
    dense_rows_[i] = hidden_dense(segments_[i], in.slice(segments_[i].first, segments_[i].rows));
  }
  const int64_t work = rows * dim * ffn / kProductWork;
  const auto segments = static_cast<int64_t>(segments_.size());
  const int64_t ffn_panels = packed_panels(ffn);
  const int64_t step = std::min(kThreadBlock, panels_at_a_time(cpu(experts[0].w1)));
  run_shares(work, segments * ffn_panels, step, [&](int64_t begin, int64_t end, int thread) {
    for_segments(ffn_panels, begin, end, [&](const Segment& s, int64_t b, int64_t e) {
      hidden_panels(s, in.slice(s.first, s.rows), b, e, thread);
    });
  });

  Operand hidden = {hidden_.data(), ffn, q8_.rows(ffn), rows};
  quantize_for(segments_, &Expert::w2, hidden, ffn);
  float* down = down_.data() + first * dim;
  for (size_t i = 0; i < segments_.size(); ++i) {
    const Segment& s = segments_[i];
    const CpuWeight& w2 = cpu(s.expert->w2);
    dense_rows_[i] = multiply_dense(w2, 0, packed_panels(dim), hidden.slice(s.first, s.rows),
                                    down + s.first * dim, dim);
  }
  const int64_t panels = packed_panels(dim);
  run_shares(work, segments * panels, panels_at_a_time(cpu(experts[0].w2)),
             [&](int64_t begin, int64_t end, int) {
               for_segments(panels, begin, end, [&](const Segment& s, int64_t b, int64_t e) {
                 multiply(cpu(s.expert->w2), b, e, hidden.slice(s.first, s.rows),
                          down + s.first * dim, dim);
               });
             });
}

// Quantizes the rows of x that go through a quantized matrix.
void CpuBackend::quantize_for(std::span<const Segment> segments, WeightPtr Expert::*matrix,
                              const Operand& x, int64_t cols) {
  const bool wanted = std::any_of(segments.begin(), segments.end(), [&](const Segment& s) {
    return takes_q8(cpu(s.expert->*matrix));
  });
  if (wanted) quantize(x.x, x.stride, x.rows, cols, x.q8);
}

void CpuBackend::run_waves(const CpuActivation& x, std::span<const Expert> experts, int64_t begin,
                           int64_t end) {
  for (; begin < end; begin += kWave) run_wave(x, experts, begin, std::min(kWave, end - begin));
}

void CpuBackend::run_experts(const CpuActivation& x, std::span<const Expert> experts,
                             CpuActivation& out) {
  sort_slots(static_cast<int64_t>(experts.size()));
  const auto uses = static_cast<int64_t>(slot_row_.size());
  packed_segments_.clear();
  int64_t waiting = 0;  // slots [waiting, first) go through the other kernels
  for (int64_t first = 0, end; first < uses; first = end) {
    end = first + 1;
    while (end < uses && slot_expert_[end] == slot_expert_[first]) ++end;
    if (!add_packed_segment(experts[slot_expert_[first]], first, end - first)) continue;
    run_waves(x, experts, waiting, first);
    waiting = end;
  }
  run_waves(x, experts, waiting, uses);
  run_packed_segments(x);
  const int64_t dim = x.cols(), top_k = uses / decided_.rows;
  for_rows(decided_.rows, dim, [&](int64_t r) {
    std::fill_n(out.row(r), dim, 0.0f);
    for (int64_t use = r * top_k; use < (r + 1) * top_k; ++use) {
      kernels_.axpy(decided_.weights[use], down_.data() + slot_of_[use] * dim, out.row(r), dim);
    }
  });
}

void CpuBackend::moe_ffn(const Activation& x, int64_t rows, const Weight& router,
                         std::span<const Expert> experts, int64_t top_k, Activation& out,
                         Routing* routing) {
  const auto& in = static_cast<const CpuActivation&>(x);
  route(in, rows, static_cast<const CpuWeight&>(router), top_k);
  run_experts(in, experts, static_cast<CpuActivation&>(out));
  if (routing != nullptr) *routing = decided_;
}

void CpuBackend::ffn(const Activation& x, int64_t rows, const Expert& expert, Activation& out) {
  decided_.rows = rows;
  decided_.experts.assign(rows, 0);
  decided_.weights.assign(rows, 1.0f);
  run_experts(static_cast<const CpuActivation&>(x), {&expert, 1}, static_cast<CpuActivation&>(out));
}

}  // namespace octavo
