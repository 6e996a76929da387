// Products of many rows with 4-bit weights (simd/wide.h), in pieces that threads take one by one.
#include <algorithm>

#include "backend/cpu/cpu_backend.h"

namespace octavo {
namespace {

const CpuWeight& cpu(const Weight& w) { return static_cast<const CpuWeight&>(w); }

}  // namespace

WideScratch::WideScratch(int64_t blocks, int64_t cols)
    : q_(blocks * kWideRows * wide_groups(cols) * kWideCols),
      scale_(blocks * kWideRows * wide_groups(cols)),
      sum_(blocks * kWideRows * wide_groups(cols)) {}

WideRows WideScratch::rows(int64_t first, int64_t blocks, int64_t cols) const {
  const int64_t at = first * kWideRows * wide_groups(cols);
  return {q_.data() + at * kWideCols, scale_.data() + at, sum_.data() + at, blocks};
}

bool CpuBackend::takes_wide(const Weight& w, int64_t rows) const {
  return rows >= kWideLeastRows && kernels_.matmul_wide != nullptr && is_wide(cpu(w).view().format);
}

void CpuBackend::quantize_wide_row(const float* x, int64_t cols, int64_t row, const WideRows& out) {
  for (int64_t group = 0; group < wide_groups(cols); ++group) {
    const int64_t first = group * kWideCols;
    kernels_.quantize_wide(x + first, std::min<int64_t>(cols - first, kWideCols), group, row, out);
  }
}

void CpuBackend::multiply_wide(const Weight& w, int64_t begin, int64_t end, const WideRows& x,
                               int64_t rows, float* y, int64_t y_stride) {
  const TensorView& view = cpu(w).view();
  kernels_.matmul_wide(view.format, view.data, view.rows, view.cols, begin, end, x, rows, y,
                       y_stride);
}

void CpuBackend::matmul_wide(const CpuActivation& x, int64_t first, int64_t rows,
                             std::span<const Projection> projections) {
  const auto pieces_of = [](const Projection& p) {
    return (packed_panels(p.weight->rows()) + kWidePiece - 1) / kWidePiece;
  };
  int64_t count = 0;
  for (const Projection& p : projections) {
    if (takes_wide(*p.weight, rows)) count += pieces_of(p);
  }
  if (count == 0) return;
  const WideRows in = wide_in_.rows(0, wide_blocks(rows), x.cols());
  for_rows(rows, x.cols(),
           [&](int64_t r) { quantize_wide_row(x.row(first + r), x.cols(), r, in); });
  team_.run_shares(count, 1, [&](int64_t piece, int64_t, int) {
    for (const Projection& p : projections) {
      if (!takes_wide(*p.weight, rows)) continue;
      if (piece < pieces_of(p)) {
        const int64_t panel = piece * kWidePiece, panels = packed_panels(p.weight->rows());
        return multiply_wide(*p.weight, panel, std::min(panel + kWidePiece, panels), in, rows,
                             static_cast<CpuActivation*>(p.out)->row(0), p.weight->rows());
      }
      piece -= pieces_of(p);
    }
  });
}

// silu(w1 x) * (w3 x) for one group of 256 hidden columns, quantized for w2 while it is near.
void CpuBackend::hidden_group(const WideSegment& s, int64_t group, int thread) {
  const Weight &w1 = *s.expert->w1, &w3 = *s.expert->w3;
  const int64_t n = group * kWideCols, count = std::min<int64_t>(w1.rows() - n, kWideCols);
  const int64_t begin = n / kPanelRows, end = begin + packed_panels(count);
  float* gate = wide_hidden_.data() + thread * 2 * kWideHiddenRows * kWideCols;
  float* up = gate + kWideHiddenRows * kWideCols;
  for (int64_t first = 0; first < s.rows; first += kWideHiddenRows) {
    const int64_t rows = std::min(kWideHiddenRows, s.rows - first);
    const WideRows in = s.in.after(first / kWideRows);
    multiply_wide(w1, begin, end, in, rows, gate - n, kWideCols);
    multiply_wide(w3, begin, end, in, rows, up - n, kWideCols);
    for (int64_t r = 0; r < rows; ++r) {
      kernels_.swiglu(gate + r * kWideCols, up + r * kWideCols, count);
      kernels_.quantize_wide(gate + r * kWideCols, count, group, first + r, s.hidden);
    }
  }
}

bool CpuBackend::add_wide_segment(const Expert& expert, int64_t first, int64_t rows) {
  if (!takes_wide(*expert.w1, rows) || !takes_wide(*expert.w3, rows) ||
      !takes_wide(*expert.w2, rows)) {
    return false;
  }
  int64_t block = 0;
  for (const WideSegment& s : wide_segments_) block += s.in.blocks;
  const int64_t blocks = wide_blocks(rows);
  wide_segments_.push_back({&expert, first, rows, wide_in_.rows(block, blocks, expert.w1->cols()),
                            wide_out_.rows(block, blocks, expert.w2->cols())});
  return true;
}

void CpuBackend::run_wide_segments(const CpuActivation& x) {
  if (wide_segments_.empty()) return;
  const int64_t dim = x.cols(), ffn = wide_segments_[0].expert->w1->rows();
  const auto segments = static_cast<int64_t>(wide_segments_.size());
  team_.run([&](int thread, int threads) {
    for (const WideSegment& s : wide_segments_) {
      const auto [begin, end] = share(s.rows, thread, threads);
      for (int64_t r = begin; r < end; ++r) {
        quantize_wide_row(x.row(slot_row_[s.first + r]), dim, r, s.in);
      }
    }
  });
  const int64_t groups = wide_groups(ffn);
  team_.run_shares(segments * groups, 1, [&](int64_t piece, int64_t, int thread) {
    hidden_group(wide_segments_[piece / groups], piece % groups, thread);
  });
  const int64_t panels = packed_panels(dim), per_segment = (panels + kWidePiece - 1) / kWidePiece;
  team_.run_shares(segments * per_segment, 1, [&](int64_t piece, int64_t, int) {
    const WideSegment& s = wide_segments_[piece / per_segment];
    const int64_t panel = piece % per_segment * kWidePiece;
    multiply_wide(*s.expert->w2, panel, std::min(panel + kWidePiece, panels), s.hidden, s.rows,
                  down_.data() + s.first * dim, dim);
  });
}

}  // namespace octavo
