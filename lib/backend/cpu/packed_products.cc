// Products of many rows, over rows packed for them, in pieces that threads take one by one.
#include <algorithm>
#include <array>
#include <utility>

#include "backend/cpu/cpu_backend.h"

namespace octavo {
namespace {

const CpuWeight& cpu(const Weight& w) { return static_cast<const CpuWeight&>(w); }

}  // namespace

RowPacking CpuBackend::packing(const Weight& w, int64_t rows) const {
  const Format format = cpu(w).view().format;
  if (rows < kPackedLeastRows) return RowPacking::kNone;
  if (kernels_.matmul_wide != nullptr && is_wide(format)) return RowPacking::kWide;
  if (kernels_.matmul_bf16 == nullptr || !is_bf16(format)) return RowPacking::kNone;
  // One part is closer to the exact product than int8. bf16 weights are the dense library's.
  if (format != Format::kBF16) return RowPacking::kBf16;
  return DenseMatmul::available() ? RowPacking::kNone : RowPacking::kBf16Pair;
}

void CpuBackend::multiply_packed(const Weight& w, int64_t begin, int64_t end, const PackedRows& x,
                                 int64_t rows, float* y, int64_t y_stride) {
  octavo::multiply_packed(kernels_, cpu(w).view(), begin, end, x, rows, y, y_stride);
}

void CpuBackend::matmul_packed(const CpuActivation& x, int64_t first, int64_t rows,
                               std::span<const Projection> projections) {
  const auto pieces_of = [](const Projection& p) {
    return (packed_panels(p.weight->rows()) + kPackedPiece - 1) / kPackedPiece;
  };
  const auto rows_for = [&](const Projection& p) {
    return packed_in_.rows(packing(*p.weight, rows), 0, packed_blocks(rows), x.cols());
  };
  int64_t count = 0;
  std::array<bool, 4> packed = {true};  // by packing; there is nothing to pack for kNone
  for (const Projection& p : projections) {
    const RowPacking wanted = packing(*p.weight, rows);
    if (wanted != RowPacking::kNone) count += pieces_of(p);
    if (std::exchange(packed[static_cast<size_t>(wanted)], true)) continue;
    const PackedRows in = rows_for(p);
    for_rows(rows, x.cols(),
             [&](int64_t r) { pack_row(kernels_, x.row(first + r), x.cols(), r, in); });
  }
  if (count == 0) return;
  team_.run_shares(count, 1, [&](int64_t piece, int64_t, int) {
    for (const Projection& p : projections) {
      if (packing(*p.weight, rows) == RowPacking::kNone) continue;
      if (piece < pieces_of(p)) {
        const int64_t panel = piece * kPackedPiece, panels = packed_panels(p.weight->rows());
        return multiply_packed(*p.weight, panel, std::min(panel + kPackedPiece, panels),
                               rows_for(p), rows, static_cast<CpuActivation*>(p.out)->row(0),
                               p.weight->rows());
      }
      piece -= pieces_of(p);
    }
  });
}

// silu(w1 x) * (w3 x) for one group of 256 hidden columns, packed for w2 while it is near.
void CpuBackend::hidden_group(const PackedSegment& s, int64_t group, int thread) {
  const Weight &w1 = *s.expert->w1, &w3 = *s.expert->w3;
  const int64_t n = group * kPackedCols, count = std::min<int64_t>(w1.rows() - n, kPackedCols);
  const int64_t begin = n / kPanelRows, end = begin + packed_panels(count);
  float* gate = packed_hidden_.data() + thread * 2 * kPackedHiddenRows * kPackedCols;
  float* up = gate + kPackedHiddenRows * kPackedCols;
  for (int64_t first = 0; first < s.rows; first += kPackedHiddenRows) {
    const int64_t rows = std::min(kPackedHiddenRows, s.rows - first);
    const PackedRows in = s.in.after(first / kPackedBlock);
    multiply_packed(w1, begin, end, in, rows, gate - n, kPackedCols);
    multiply_packed(w3, begin, end, in, rows, up - n, kPackedCols);
    for (int64_t r = 0; r < rows; ++r) {
      kernels_.swiglu(gate + r * kPackedCols, up + r * kPackedCols, count);
      pack_group(kernels_, gate + r * kPackedCols, count, group, first + r, s.hidden);
    }
  }
}

bool CpuBackend::add_packed_segment(const Expert& expert, int64_t first, int64_t rows) {
  const RowPacking in = packing(*expert.w1, rows), hidden = packing(*expert.w2, rows);
  if (in == RowPacking::kNone || in != packing(*expert.w3, rows) || hidden == RowPacking::kNone) {
    return false;
  }
  int64_t block = 0;
  for (const PackedSegment& s : packed_segments_) block += packed_blocks(s.rows);
  const int64_t blocks = packed_blocks(rows);
  packed_segments_.push_back({&expert, first, rows,
                              packed_in_.rows(in, block, blocks, expert.w1->cols()),
                              packed_out_.rows(hidden, block, blocks, expert.w2->cols())});
  return true;
}

void CpuBackend::run_packed_segments(const CpuActivation& x) {
  if (packed_segments_.empty()) return;
  const int64_t dim = x.cols(), ffn = packed_segments_[0].expert->w1->rows();
  const auto segments = static_cast<int64_t>(packed_segments_.size());
  team_.run([&](int thread, int threads) {
    for (const PackedSegment& s : packed_segments_) {
      const auto [begin, end] = share(s.rows, thread, threads);
      for (int64_t r = begin; r < end; ++r) {
        pack_row(kernels_, x.row(slot_row_[s.first + r]), dim, r, s.in);
      }
    }
  });
  const int64_t groups = packed_groups(ffn);
  team_.run_shares(segments * groups, 1, [&](int64_t piece, int64_t, int thread) {
    hidden_group(packed_segments_[piece / groups], piece % groups, thread);
  });
  const int64_t panels = packed_panels(dim),
                per_segment = (panels + kPackedPiece - 1) / kPackedPiece;
  team_.run_shares(segments * per_segment, 1, [&](int64_t piece, int64_t, int) {
    const PackedSegment& s = packed_segments_[piece / per_segment];
    const int64_t panel = piece % per_segment * kPackedPiece;
    multiply_packed(*s.expert->w2, panel, std::min(panel + kPackedPiece, panels), s.hidden, s.rows,
                    down_.data() + s.first * dim, dim);
  });
}

}  // namespace octavo
