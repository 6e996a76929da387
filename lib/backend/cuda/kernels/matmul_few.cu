// A block multiplies one panel of 16 rows of weights, or a share of its columns, with up to 8 rows.
#include "backend/cuda/kernels/matmul_few.h"

#include "backend/cuda/kernels/few_sums.cuh"

namespace octavo::cuda {
namespace {

struct FewProducts {
  Product product[kMostProducts];
  int panels[kMostProducts + 1];  // of those before; the last is the number of all
};

// grid [panels of all products, parts]
template <int kRows>
__global__ void __launch_bounds__(kFewThreads, kRows == 1 ? 3 : 1)
    multiply_panels(FewProducts products, FewInput input, int rows, Partials partials) {
  __shared__ float sums[kFewWarps][kRows][kPanelRows];
  __shared__ bool last;
  const int panel = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
  const int parts = static_cast<int>(gridDim.y), part = static_cast<int>(blockIdx.y);
  int which = 0;
  while (panel >= products.panels[which + 1]) ++which;
  const Product product = products.product[which];
  const int local = panel - products.panels[which];

  RowList<kRows> list;
  list.count = rows;
  for (int r = 0; r < kRows; ++r) list.row[r] = r;
  float sum[kRows][kLaneRows] = {};
  add_panel(product.weight.format, product.weight.data, local, product.weight.cols,
            part * kFewWarps + thread / kWarp, parts * kFewWarps, input, list, sum);
  store_warp_sums(sum, rows, sums[thread / kWarp]);
  __syncthreads();

  const int row = thread / kPanelRows, n = local * kPanelRows + thread % kPanelRows;
  float total = 0;
  if (row < rows) {
    for (int w = 0; w < kFewWarps; ++w) total += sums[w][row][thread % kPanelRows];
  }
  if (parts > 1) {
    constexpr int kEach = kRows * kPanelRows;
    float* shares = partials.sums + int64_t{panel} * parts * kEach;
    if (row < rows) shares[part * kEach + thread] = total;
    if (!last_to_arrive(partials.arrived + panel, parts, &last)) return;
    total = 0;
    if (row < rows) {
      for (int p = 0; p < parts; ++p) total += __ldcg(shares + p * kEach + thread);
    }
  }
  if (row < rows && n < product.weight.rows) product.y[row * product.y_stride + n] = total;
}

}  // namespace

int64_t few_partial_sums() { return kWantedBlocks * kFewRows * kPanelRows; }
int64_t few_partial_counters() { return kWantedBlocks; }

void multiply_few(std::span<const Product> products, const FewInput& input, int64_t rows,
                  const Partials& partials, Stream stream) {
  FewProducts list = {};
  int64_t panels = 0;
  for (size_t i = 0; i < products.size(); ++i) {
    list.product[i] = products[i];
    panels += packed_panels(products[i].weight.rows);
    list.panels[i + 1] = static_cast<int>(panels);
  }
  const int64_t parts = shared_parts(panels, products[0].weight.cols);
  const LaunchShape shape = {dim3(static_cast<unsigned>(panels), static_cast<unsigned>(parts)),
                             dim3(kFewThreads)};
  const auto kernel = rows == 1 ? multiply_panels<1> : multiply_panels<kFewRows>;
  launch(kernel, shape, stream, list, input, static_cast<int>(rows), partials);
}

}  // namespace octavo::cuda
