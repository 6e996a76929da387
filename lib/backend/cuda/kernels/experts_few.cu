// The chosen experts for a few rows: a group of blocks for each expert that a row uses, so that its
// weights are read once for all of its rows.
#include "backend/cuda/kernels/experts_few.h"

#include "backend/cuda/kernels/few_sums.cuh"
#include "backend/cuda/kernels/quantize.cuh"

namespace octavo::cuda {
namespace {

/// Hidden values of a block: those of a block of the quantized activations.
constexpr int kHidden = 32;
/// Warps of a block of hidden_panels: two panels of w1 and of w3, two warps each.
constexpr int kStreamWarps = kFewWarps / 4;

/// The uses of one expert among the rows.
template <int kRows>
struct Uses {
  int expert, count;
  int row[kRows], use[kRows];
};

/// Group `group` of the launch: of one row, its expert of that rank, else the expert of that index.
/// All threads of the block call it; `found` [kRows] is shared memory.
template <int kRows>
__device__ Uses<kRows> uses_of(const Routed& routed, int rows, int group, int* found) {
  Uses<kRows> uses = {};
  const int top_k = static_cast<int>(routed.top_k);
  if (routed.experts == nullptr) {
    uses.count = rows;
    for (int r = 0; r < kRows; ++r) uses.row[r] = uses.use[r] = r;
    return uses;
  }
  if (rows == 1) {
    uses.expert = routed.experts[group];
    uses.count = 1;
    uses.use[0] = group;
    return uses;
  }
  uses.expert = group;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  for (int first = 0; first < rows * top_k; first += kWarp) {
    const bool here = first + lane < rows * top_k && routed.experts[first + lane] == group;
    const unsigned chosen = __ballot_sync(kAllLanes, here);
    const int place = uses.count + __popc(chosen & ((1u << lane) - 1));
    if (here && place < kRows && threadIdx.x < kWarp) found[place] = first + lane;
    uses.count += __popc(chosen);
  }
  __syncthreads();
  for (int r = 0; r < kRows; ++r) {
    if (r >= uses.count) break;
    uses.use[r] = found[r];
    uses.row[r] = found[r] / top_k;
  }
  return uses;
}

// grid [blocks of kHidden, groups]
template <int kRows>
__global__ void __launch_bounds__(kFewThreads, kRows == 1 ? 2 : 1)
    hidden_panels(Experts experts, FewInput input, Routed routed, int rows, HiddenFew hidden) {
  __shared__ float sums[kFewWarps][kRows][kPanelRows];
  __shared__ int found[kRows];
  const Uses<kRows> uses = uses_of<kRows>(routed, rows, static_cast<int>(blockIdx.y), found);
  if (uses.count == 0) return;
  const ExpertMatrices matrices = experts.matrices[uses.expert];
  const int warp = static_cast<int>(threadIdx.x) / kWarp, stream = warp / kStreamWarps;
  const int panel = static_cast<int>(blockIdx.x) * 2 + stream % 2;
  const bool gate = stream < 2;

  RowList<kRows> list;
  list.count = uses.count;
  for (int r = 0; r < kRows; ++r) list.row[r] = uses.row[r];
  float sum[kRows][kLaneRows] = {};
  if (panel * kPanelRows < experts.ffn) {
    add_panel(gate ? matrices.w1_format : matrices.w3_format, gate ? matrices.w1 : matrices.w3,
              panel, experts.dim, warp % kStreamWarps, kStreamWarps, input, list, sum);
  }
  store_warp_sums(sum, uses.count, sums[warp]);
  __syncthreads();

  // A warp for each row: its lanes have a whole block of the quantized hidden values.
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  const int64_t n = int64_t{blockIdx.x} * kHidden + lane;
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    if (r != warp || r >= uses.count) continue;
    float products[2] = {};
    for (int i = 0; i < 2; ++i) {
      const int first = (2 * i + lane / kPanelRows) * kStreamWarps;
      for (int w = 0; w < kStreamWarps; ++w) products[i] += sums[first + w][r][lane % kPanelRows];
    }
    const bool there = n < experts.ffn;
    const float value = there ? products[0] / (1.0f + expf(-products[0])) * products[1] : 0.0f;
    if (hidden.values != nullptr && there) hidden.values[uses.use[r] * experts.ffn + n] = value;
    if (hidden.q8.q != nullptr) quantize_block(value, uses.use[r], n, hidden.q8);
  }
}

/// Products of each use before they are summed up: [uses, parts, outputs].
struct Shares {
  float* sums;
  int64_t outputs;
  int parts;
  __device__ float* at(int use, int part) const {
    return sums + (int64_t{use} * parts + part) * outputs;
  }
};

// grid [panels, groups, parts]
template <int kRows>
__global__ void __launch_bounds__(kFewThreads, kRows == 1 ? 2 : 1)
    output_panels(Experts experts, FewInput hidden, Routed routed, int rows, Partials partials,
                  float* y, int64_t y_stride) {
  __shared__ float sums[kFewWarps][kRows][kPanelRows];
  __shared__ int found[kRows];
  __shared__ bool last;
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp;
  const int panel = static_cast<int>(blockIdx.x);
  const int parts = static_cast<int>(gridDim.z), part = static_cast<int>(blockIdx.z);
  const Shares shares = {partials.sums, int64_t{gridDim.x} * kPanelRows, parts};
  const int n = panel * kPanelRows + thread % kPanelRows;

  const Uses<kRows> uses = uses_of<kRows>(routed, rows, static_cast<int>(blockIdx.y), found);
  if (uses.count > 0) {
    const ExpertMatrices matrices = experts.matrices[uses.expert];
    RowList<kRows> list;
    list.count = uses.count;
    for (int r = 0; r < kRows; ++r) list.row[r] = uses.use[r];
    float sum[kRows][kLaneRows] = {};
    add_panel(matrices.w2_format, matrices.w2, panel, experts.ffn, part * kFewWarps + warp,
              parts * kFewWarps, hidden, list, sum);
    store_warp_sums(sum, uses.count, sums[warp]);
    __syncthreads();
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      if (r != thread / kPanelRows || r >= uses.count) continue;
      float total = 0;
      for (int w = 0; w < kFewWarps; ++w) total += sums[w][r][thread % kPanelRows];
      shares.at(uses.use[r], part)[n] = total;
    }
  }
  if (!last_to_arrive(partials.arrived + panel, static_cast<int>(gridDim.y * gridDim.z), &last)) {
    return;
  }
  const int row = thread / kPanelRows, top_k = static_cast<int>(routed.top_k);
  if (row >= rows || n >= experts.dim) return;
  float total = 0;
  for (int use = row * top_k; use < (row + 1) * top_k; ++use) {
    float one = 0;
    for (int p = 0; p < parts; ++p) one += __ldcg(shares.at(use, p) + n);
    total += (routed.weights == nullptr ? 1.0f : routed.weights[use]) * one;
  }
  y[row * y_stride + n] = total;
}

/// Groups of blocks that find all uses.
int64_t groups_of(const Experts& experts, const Routed& routed, int64_t rows) {
  if (routed.experts == nullptr) return 1;
  return rows == 1 ? routed.top_k : experts.count;
}

}  // namespace

void hidden_few(const Experts& experts, const FewInput& input, const Routed& routed, int64_t rows,
                const HiddenFew& hidden, Stream stream) {
  const LaunchShape shape = {dim3(static_cast<unsigned>(q8_padded(experts.ffn) / kHidden),
                                  static_cast<unsigned>(groups_of(experts, routed, rows))),
                             dim3(kFewThreads)};
  const auto kernel = rows == 1 ? hidden_panels<1> : hidden_panels<kFewRows>;
  launch(kernel, shape, stream, experts, input, routed, static_cast<int>(rows), hidden);
}

void output_few(const Experts& experts, const HiddenFew& hidden, const Routed& routed, int64_t rows,
                const Partials& partials, float* y, int64_t y_stride, Stream stream) {
  const int64_t panels = packed_panels(experts.dim), groups = groups_of(experts, routed, rows);
  const int64_t parts = shared_parts(panels * groups, experts.ffn);
  const LaunchShape shape = {dim3(static_cast<unsigned>(panels), static_cast<unsigned>(groups),
                                  static_cast<unsigned>(parts)),
                             dim3(kFewThreads)};
  const FewInput input = {hidden.values, experts.ffn, hidden.q8};
  const auto kernel = rows == 1 ? output_panels<1> : output_panels<kFewRows>;
  launch(kernel, shape, stream, experts, input, routed, static_cast<int>(rows), partials, y,
         y_stride);
}

int64_t output_few_sums(int64_t rows, int64_t top_k, int64_t dim) {
  const int64_t uses = std::min(rows, kFewRows) * top_k;
  return uses * std::max(packed_panels(dim), kWantedBlocks) * kPanelRows;
}

int64_t output_few_counters(int64_t dim) { return packed_panels(dim); }

}  // namespace octavo::cuda
