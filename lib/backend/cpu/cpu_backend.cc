#include "backend/cpu/cpu_backend.h"

#include <algorithm>

#include "core/parallel.h"
#include "quant/packed.h"

namespace octavo {
namespace {

const CpuActivation& cpu(const Activation& x) { return static_cast<const CpuActivation&>(x); }
const CpuWeight& cpu(const Weight& w) { return static_cast<const CpuWeight&>(w); }

bool takes_q8(const CpuWeight& w) {
  return traits(w.view().format).activation == ActivationFormat::kQ8;
}

}  // namespace

Operand Operand::slice(int64_t first, int64_t count) const {
  const int64_t blocks = q8.padded / 32;
  return {x + first * stride,
          stride,
          {q8.q + first * q8.padded, q8.scale + first * blocks, q8.sum + first * blocks,
           q8.half_sum + 2 * first * blocks, q8.padded},
          count};
}

Q8Scratch::Q8Scratch(int64_t rows, int64_t cols)
    : q_(rows * q8_padded(cols)),
      scale_(rows * q8_padded(cols) / 32),
      sum_(rows * q8_padded(cols) / 32),
      half_sum_(rows * q8_padded(cols) / 16) {}

Q8Rows Q8Scratch::rows(int64_t cols) const {
  return {q_.data(), scale_.data(), sum_.data(), half_sum_.data(), q8_padded(cols)};
}

CpuBackend::CpuBackend(const BackendLimits& limits, const Kernels& kernels)
    : limits_(limits),
      kernels_(kernels),
      team_(resolve_threads(limits.threads)),
      dense_(team_.size()),
      q8_(std::max(limits.rows, std::min(kWave, limits.rows * limits.top_k)),
          std::max(limits.cols, limits.ffn_dim)),
      // Each expert's rows start a block of their own.
      packed_in_(kernels, packed_blocks(limits.rows * limits.top_k) + limits.experts, limits.cols),
      packed_out_(kernels, packed_blocks(limits.rows * limits.top_k) + limits.experts,
                  limits.ffn_dim),
      packed_hidden_(team_.size() * 2 * kPackedHiddenRows * kPackedCols),
      gathered_(kWave * limits.cols),
      hidden_(kWave * limits.ffn_dim),
      up_(kWave * std::max(team_.size() * kThreadBlock, kDenseBlock) * kPanelRows),
      down_(limits.rows * limits.top_k * limits.cols),
      expert_first_(limits.experts + 1) {
  const int64_t slots = limits.rows * limits.top_k;
  decided_.logits.reserve(limits.rows * limits.experts);
  decided_.experts.reserve(slots);
  decided_.weights.reserve(slots);
  slot_of_.reserve(slots);
  slot_row_.reserve(slots);
  slot_expert_.reserve(slots);
  segments_.reserve(limits.experts);
  packed_segments_.reserve(limits.experts);
  dense_rows_.reserve(limits.experts);
}

ActivationPtr CpuBackend::activation(int64_t rows, int64_t cols) {
  return std::make_unique<CpuActivation>(rows, cols);
}

KvCachePtr CpuBackend::kv_cache(const KvShape& shape) {
  const int64_t group = limits_.heads / shape.kv_heads;
  const int64_t floats = SequenceParts::most_rows(shape.context, group, kFewTokens);
  partial_ = PageArray<float>(floats * shape.kv_heads * (shape.head_dim + 2));
  parts_done_ = std::make_unique<std::atomic<int64_t>[]>(shape.kv_heads);
  tile_floats_ = attend_tile_scratch(std::max(kTileRows, group), shape.head_dim);
  tiles_ = PageArray<float>(team_.size() * tile_floats_);
  cosine_ = PageArray<float>(limits_.rows * shape.head_dim / 2);
  sine_ = PageArray<float>(limits_.rows * shape.head_dim / 2);
  rotation_ = {};
  auto cache = std::make_unique<CpuKvCache>(shape);
  blocks_.resize(static_cast<size_t>(team_.size() * cache->most_blocks()));
  entries_.resize(
      static_cast<size_t>(team_.size() * 2 * cache_entry_bytes(cache->format(), shape.head_dim)));
  return cache;
}

void CpuBackend::embed(const Weight& table, std::span<const int32_t> ids, Activation& out) {
  const TensorView& view = cpu(table).view();
  for_rows(static_cast<int64_t>(ids.size()), view.cols, [&](int64_t r) {
    dequantize_packed_row(view.format, view.data, ids[r],
                          {cpu(out).row(r), static_cast<size_t>(view.cols)});
  });
}

void CpuBackend::rmsnorm(const Activation& x, int64_t rows, const Weight& gain, float eps,
                         Activation& out) {
  for_rows(rows, x.cols(), [&](int64_t r) {
    kernels_.rmsnorm(cpu(x).row(r), cpu(gain).floats(), eps, x.cols(), cpu(out).row(r));
  });
}

void CpuBackend::add(const Activation& y, int64_t rows, Activation& x) {
  for_rows(rows, x.cols(),
           [&](int64_t r) { kernels_.axpy(1.0f, cpu(y).row(r), cpu(x).row(r), x.cols()); });
}

void CpuBackend::read(const Activation& x, int64_t first, int64_t rows, std::span<float> host) {
  std::copy_n(cpu(x).row(first), rows * x.cols(), host.begin());
}

void CpuBackend::write(std::span<const float> host, int64_t rows, Activation& x) {
  std::copy_n(host.begin(), rows * x.cols(), cpu(x).row(0));
}

void CpuBackend::quantize(const float* x, int64_t stride, int64_t rows, int64_t cols,
                          const Q8Rows& out) {
  for_rows(rows, cols, [&](int64_t r) { kernels_.quantize_q8(x + r * stride, cols, r, out); });
}

void CpuBackend::multiply(const CpuWeight& w, int64_t begin, int64_t end, const Operand& x,
                          float* y, int64_t y_stride) {
  const TensorView& view = w.view();
  if (takes_q8(w)) {
    kernels_.matmul_q8(view.format, view.data, view.rows, view.cols, begin, end, x.q8, x.rows, y,
                       y_stride);
  } else {
    kernels_.matmul_float(view.format, view.data, view.rows, view.cols, begin, end, x.x, x.stride,
                          x.rows, y, y_stride);
  }
}

int64_t CpuBackend::panels_at_a_time(const CpuWeight& w) {
  constexpr int64_t kBytes = int64_t{128} << 10;
  return std::max<int64_t>(1, kBytes / packed_panel_bytes(w.view().format, w.cols()));
}

int64_t CpuBackend::multiply_dense(const CpuWeight& w, int64_t begin, int64_t end, const Operand& x,
                                   float* y, int64_t y_stride) {
  if (takes_q8(w) || x.rows < DenseMatmul::kLeastRows) return 0;
  const TensorView& view = w.view();
  const int64_t first = begin * kPanelRows, last = std::min(end * kPanelRows, view.rows);
  return dense_.run(view.format, view.data + begin * packed_panel_bytes(view.format, view.cols),
                    last - first, view.cols, x.x, x.stride, x.rows, y + first, y_stride);
}

void CpuBackend::matmul(const Activation& x, int64_t first, int64_t rows,
                        std::span<const Projection> projections) {
  if (projections.size() > kMostProjections) {
    matmul(x, first, rows, projections.first(kMostProjections));
    return matmul(x, first, rows, projections.subspan(kMostProjections));
  }
  const CpuActivation& in = cpu(x);
  matmul_packed(in, first, rows, projections);
  Operand operand = {in.row(first), in.cols(), q8_.rows(in.cols()), rows};
  int64_t panels = 0;
  bool quantized = false;
  for (const Projection& p : projections) {
    if (packing(*p.weight, rows) != RowPacking::kNone) continue;
    panels += packed_panels(p.weight->rows());
    quantized = quantized || takes_q8(cpu(*p.weight));
  }
  if (panels == 0) return;
  if (quantized) quantize(operand.x, operand.stride, rows, in.cols(), operand.q8);

  // What the dense library takes, it takes whole; the rest shares one parallel region.
  std::array<int64_t, kMostProjections> done = {};
  for (size_t i = 0; i < projections.size(); ++i) {
    const CpuWeight& w = cpu(*projections[i].weight);
    done[i] = multiply_dense(w, 0, packed_panels(w.rows()), operand,
                             cpu(*projections[i].out).row(0), w.rows());
  }
  const int64_t work = rows * panels * kPanelRows * in.cols() / kProductWork;
  const int64_t at_a_time = panels_at_a_time(cpu(*projections[0].weight));
  run_shares(work, panels, at_a_time, [&](int64_t begin, int64_t end, int) {
    for (size_t i = 0; i < projections.size(); ++i) {
      const CpuWeight& w = cpu(*projections[i].weight);
      if (packing(w, rows) != RowPacking::kNone) continue;
      const int64_t here = packed_panels(w.rows());
      const int64_t b = std::clamp<int64_t>(begin, 0, here), e = std::clamp<int64_t>(end, 0, here);
      if (b < e && done[i] < rows) {
        multiply(w, b, e, operand.slice(done[i], rows - done[i]),
                 cpu(*projections[i].out).row(done[i]), w.rows());
      }
      begin -= here;
      end -= here;
    }
  });
}

}  // namespace octavo
