// y = x W^T with packed weights at Mixtral-8x7B's shapes, all threads. Weights are cold, as in a
// model whose layers follow one another: each iteration takes the next of several copies.
//   build/release/bin/matmul_bench --benchmark_filter=q4_k/14336x4096
#include <benchmark/benchmark.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "bench/report.h"
#include "core/parallel.h"
#include "quant/packed.h"
#include "quant/rows.h"

namespace octavo::bench {
namespace {

struct Shape {
  int64_t rows, cols;  ///< out, in
};

std::vector<float> random_values(int64_t count) {
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(engine);
  return values;
}

/// `copies` packed matrices, one after the other. All panels are alike: speed does not depend on
/// the numbers.
std::vector<std::byte> packed_weights(Format format, Shape shape, int64_t copies) {
  const std::vector<float> values = random_values(kPanelRows * shape.cols);
  const int64_t stride = row_bytes(format, shape.cols);
  std::vector<std::byte> rows(static_cast<size_t>(kPanelRows * stride));
  for (int64_t row = 0; row < kPanelRows; ++row) {
    quantize_row_nearest(format, std::span(values).subspan(row * shape.cols, shape.cols),
                         rows.data() + row * stride);
  }
  const int64_t panel_bytes = packed_panel_bytes(format, shape.cols);
  const int64_t panels = packed_panels(shape.rows) * copies;
  std::vector<std::byte> packed(static_cast<size_t>(panels * panel_bytes));
  pack_panel(format, rows.data(), stride, kPanelRows, shape.cols, packed.data());
  for (int64_t panel = 1; panel < panels; ++panel) {
    std::memcpy(packed.data() + panel * panel_bytes, packed.data(), panel_bytes);
  }
  return packed;
}

/// Activations as the kernels take them: floats, and int8 with their scales.
struct Activations {
  Activations(int64_t rows, int64_t cols)
      : values(random_values(rows * cols)),
        q(static_cast<size_t>(rows * q8_padded(cols))),
        scale(q.size() / 32),
        sum(q.size() / 32),
        quantized{q.data(), scale.data(), sum.data(), q8_padded(cols)} {
    for (int64_t row = 0; row < rows; ++row) {
      kernels().quantize_q8(values.data() + row * cols, cols, row, quantized);
    }
  }
  std::vector<float> values;
  std::vector<int8_t> q;
  std::vector<float> scale;
  std::vector<int32_t> sum;
  Q8Rows quantized;
};

void matmul(benchmark::State& state, Format format, Shape shape, int64_t rows) {
  const int64_t bytes = packed_bytes(format, shape.rows, shape.cols);
  const int64_t copies = std::max<int64_t>(1, kColdBytes / bytes);
  const std::vector<std::byte> weights = packed_weights(format, shape, copies);
  const Activations x(rows, shape.cols);
  std::vector<float> y(static_cast<size_t>(rows * shape.rows));
  const bool int8 = traits(format).activation == ActivationFormat::kQ8;
  int64_t copy = 0;
  for (auto _ : state) {
    const std::byte* w = weights.data() + copy * bytes;
    copy = (copy + 1) % copies;
    parallel(available_threads(), [&](int thread, int threads) {
      const auto [begin, end] = share(packed_panels(shape.rows), thread, threads);
      if (int8) {
        kernels().matmul_q8(format, w, shape.rows, shape.cols, begin, end, x.quantized, rows,
                            y.data(), shape.rows);
      } else {
        kernels().matmul_float(format, w, shape.rows, shape.cols, begin, end, x.values.data(),
                               shape.cols, rows, y.data(), shape.rows);
      }
    });
    benchmark::ClobberMemory();
  }
  report(state, static_cast<double>(bytes), 2.0 * shape.rows * shape.cols * rows, int8);
}

void register_all() {
  for (const Format format : all_formats()) {
    for (const Shape shape : {Shape{14336, 4096}, Shape{4096, 14336}, Shape{4096, 4096},
                              Shape{1024, 4096}, Shape{32000, 4096}}) {
      for (const int64_t rows : {1, 4, 32, 128, 512}) {
        const std::string name = "matmul/" + std::string(format_name(format)) + "/" +
                                 std::to_string(shape.rows) + "x" + std::to_string(shape.cols) +
                                 "/rows:" + std::to_string(rows);
        benchmark::RegisterBenchmark(
            name.c_str(), [=](benchmark::State& state) { matmul(state, format, shape, rows); })
            ->UseRealTime()
            ->Unit(benchmark::kMicrosecond);
      }
    }
  }
}

}  // namespace
}  // namespace octavo::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  octavo::bench::register_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
