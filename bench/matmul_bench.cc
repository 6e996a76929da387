// y = x W^T with packed weights at Mixtral 8x7B's shapes: every format, every kernel table of the
// machine, all threads. Weights are cold, as in a model whose layers follow one another: each
// iteration takes the next of several copies.
//   build/release/bin/matmul_bench --benchmark_filter=q4_k/avx512-vnni/14336x4096
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "bench/report.h"
#include "bench/run.h"
#include "bench/weights.h"

namespace octavo::bench {
namespace {

/// Activations in each form that a kernel takes.
class Activations {
 public:
  Activations(const Kernels& table, int64_t rows, int64_t cols)
      : values(random_values(rows * cols)), rows_(rows), cols_(cols) {
    fill_q8(table);
    if (table.quantize_wide != nullptr) fill_wide(table);
  }
  std::vector<float> values;  ///< [rows, cols]
  Q8Rows q8;
  WideRows wide;  ///< only where the table has such kernels

 private:
  void fill_q8(const Kernels& table) {
    const int64_t padded = q8_padded(cols_);
    q_.resize(static_cast<size_t>(rows_ * padded));
    scale_.resize(q_.size() / 32);
    sum_.resize(q_.size() / 32);
    half_sum_.resize(q_.size() / 16);
    q8 = {q_.data(), scale_.data(), sum_.data(), half_sum_.data(), padded};
    for (int64_t row = 0; row < rows_; ++row) {
      table.quantize_q8(values.data() + row * cols_, cols_, row, q8);
    }
  }
  void fill_wide(const Kernels& table) {
    const int64_t groups = wide_groups(cols_), blocks = wide_blocks(rows_);
    const auto lanes = static_cast<size_t>(groups * blocks * kWideRows);
    wide_q_.resize(lanes * kWideCols / sizeof(Line));
    wide_scale_.resize(lanes);
    wide_sum_.resize(lanes);
    wide = {wide_q_.front().bytes, wide_scale_.data(), wide_sum_.data(), blocks};
    for (int64_t row = 0; row < rows_; ++row) {
      for (int64_t group = 0; group < groups; ++group) {
        const int64_t col = group * kWideCols;
        table.quantize_wide(values.data() + row * cols_ + col,
                            std::min<int64_t>(kWideCols, cols_ - col), group, row, wide);
      }
    }
  }

  struct alignas(64) Line {
    int8_t bytes[64];
  };
  int64_t rows_, cols_;
  std::vector<int8_t> q_;          // [rows, padded]
  std::vector<Line> wide_q_;       // as WideRows
  std::vector<float> scale_;       // [rows, padded / 32]
  std::vector<float> wide_scale_;  // as WideRows
  std::vector<int32_t> sum_, half_sum_, wide_sum_;
};

/// One product: what a kernel is called with.
struct Product {
  const Kernels& table;
  Format format;
  Shape shape;
  int64_t rows;
};

/// A kernel that products may go through. A new one needs an entry in kPaths and, for a new form of
/// activations, a part of Activations.
struct Path {
  const char* suffix;  ///< behind the table's name
  const char* kind;    ///< of unit
  bool (*takes)(const Product& product);
  void (*run)(const Product& product, const std::byte* w, int64_t begin, int64_t end,
              const Activations& x, float* y);
};

bool is_int8(const Product& p) { return traits(p.format).activation == ActivationFormat::kQ8; }

constexpr Path kPaths[] = {
    {"", "f32", [](const Product& p) { return !is_int8(p); },
     [](const Product& p, const std::byte* w, int64_t begin, int64_t end, const Activations& x,
        float* y) {
       p.table.matmul_float(p.format, w, p.shape.rows, p.shape.cols, begin, end, x.values.data(),
                            p.shape.cols, p.rows, y, p.shape.rows);
     }},
    {"", "int8", is_int8,
     [](const Product& p, const std::byte* w, int64_t begin, int64_t end, const Activations& x,
        float* y) {
       p.table.matmul_q8(p.format, w, p.shape.rows, p.shape.cols, begin, end, x.q8, p.rows, y,
                         p.shape.rows);
     }},
    {"-wide", "int8",
     [](const Product& p) { return p.table.matmul_wide != nullptr && is_wide(p.format); },
     [](const Product& p, const std::byte* w, int64_t begin, int64_t end, const Activations& x,
        float* y) {
       p.table.matmul_wide(p.format, w, p.shape.rows, p.shape.cols, begin, end, x.wide, p.rows, y,
                           p.shape.rows);
     }},
};

void matmul(benchmark::State& state, const Path& path, const Product& product) {
  const Shape shape = product.shape;
  const ColdWeights& weights = ColdWeights::get(product.format, shape);
  const Activations x(product.table, product.rows, shape.cols);
  std::vector<float> y(static_cast<size_t>(product.rows * shape.rows));
  int64_t iteration = 0;
  for (auto _ : state) {
    const std::byte* w = weights.copy(iteration++);
    team().run([&](int thread, int threads) {
      const auto [begin, end] = share(packed_panels(shape.rows), thread, threads);
      path.run(product, w, begin, end, x, y.data());
    });
    benchmark::ClobberMemory();
  }
  const auto multiplications = static_cast<double>(shape.rows * shape.cols * product.rows);
  report(state, static_cast<double>(weights.bytes()), 2 * multiplications,
         machine_of(product.table), path.kind);
}

void register_product(const Product& product) {
  for (const Path& path : kPaths) {
    if (!path.takes(product)) continue;
    const std::string name = "matmul/" + std::string(format_name(product.format)) + "/" +
                             product.table.name + path.suffix + "/" + product.shape.name() +
                             "/rows:" + std::to_string(product.rows);
    benchmark::RegisterBenchmark(
        name.c_str(), [=, &path](benchmark::State& state) { matmul(state, path, product); })
        ->UseRealTime()
        ->Unit(benchmark::kMicrosecond);
  }
}

void register_all() {
  constexpr int64_t kMostScalarRows = 4;  // the scalar twin would take minutes
  for (const Format format : all_formats()) {
    for (const Shape& shape : kShapes) {
      for (const Kernels* table : all_kernels()) {
        for (const int64_t rows : kRowCounts) {
          if (table == &scalar_kernels() && rows > kMostScalarRows) continue;
          register_product({*table, format, shape, rows});
        }
      }
    }
  }
}

}  // namespace
}  // namespace octavo::bench

int main(int argc, char** argv) {
  return octavo::bench::run(argc, argv, octavo::bench::register_all);
}
