// The ops on rows of activations at Mixtral 8x7B's widths, for every kernel table of the machine: a
// row alone (decode, one thread) and 512 rows over all threads (prefill). Rows lie in the caches,
// as they do between two products; GB/s counts what is read and written.
//   build/release/bin/row_ops_bench --benchmark_filter=rmsnorm
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "bench/report.h"
#include "bench/run.h"
#include "bench/weights.h"

namespace octavo::bench {
namespace {

constexpr int64_t kDim = 4096, kFfn = 14336, kHeads = 32, kHeadDim = 128;

/// Values that an op may be applied to again and again without ending in denormal numbers: swiglu
/// gives -0.5 back, and the rotation keeps lengths.
constexpr float kX = -0.5f, kY = 2.648721f, kOther = 0.70710678f;

/// Rows of activations and what the ops need beside them.
struct Rows {
  Rows(int64_t rows, int64_t cols)
      : x(static_cast<size_t>(rows * cols), kX),
        y(x.size(), kY),
        other(static_cast<size_t>(cols), kOther),
        q(static_cast<size_t>(rows * q8_padded(cols))),
        scale(q.size() / 32),
        sum(q.size() / 32),
        half_sum(q.size() / 16),
        q8{q.data(), scale.data(), sum.data(), half_sum.data(), q8_padded(cols)} {}
  std::vector<float> x, y;   // [rows, cols]
  std::vector<float> other;  // [cols] gain; cosine and sine of an angle
  std::vector<int8_t> q;
  std::vector<float> scale;
  std::vector<int32_t> sum, half_sum;
  Q8Rows q8;  // [rows, padded]
};

/// An op on row r.
struct RowOp {
  const char* name;
  int64_t cols;
  double bytes, operations;  ///< a value
  void (*run)(const Kernels& table, const Rows& rows, float* x, float* y, int64_t r);
};

constexpr RowOp kOps[] = {
    {"rmsnorm", kDim, 12, 4,
     [](const Kernels& t, const Rows& rows, float* x, float* y, int64_t) {
       t.rmsnorm(x, rows.other.data(), 1e-5f, kDim, y);
     }},
    {"quantize_q8", kDim, 5.25, 3,
     [](const Kernels& t, const Rows& rows, float* x, float*, int64_t r) {
       t.quantize_q8(x, kDim, r, rows.q8);
     }},
    {"quantize_q8", kFfn, 5.25, 3,
     [](const Kernels& t, const Rows& rows, float* x, float*, int64_t r) {
       t.quantize_q8(x, kFfn, r, rows.q8);
     }},
    {"swiglu", kFfn, 12, 4,
     [](const Kernels& t, const Rows&, float* x, float* y, int64_t) { t.swiglu(x, y, kFfn); }},
    {"axpy", kDim, 12, 2,
     [](const Kernels& t, const Rows&, float* x, float* y, int64_t) { t.axpy(0.5f, x, y, kDim); }},
    {"rope", kHeads* kHeadDim, 8, 3,
     [](const Kernels& t, const Rows& rows, float* x, float*, int64_t) {
       for (int64_t h = 0; h < kHeads; ++h) {
         t.rope(x + h * kHeadDim, rows.other.data(), rows.other.data(), kHeadDim / 2);
       }
     }},
};

void row_op(benchmark::State& state, const Kernels& table, const RowOp& op, int64_t rows) {
  Rows data(rows, op.cols);
  auto body = [&](int thread, int threads) {
    const auto [begin, end] = share(rows, thread, threads);
    for (int64_t r = begin; r < end; ++r) {
      op.run(table, data, data.x.data() + r * op.cols, data.y.data() + r * op.cols, r);
    }
  };
  for (auto _ : state) {
    if (rows == 1) {
      body(0, 1);
    } else {
      team().run(body);
    }
    benchmark::ClobberMemory();
  }
  const auto values = static_cast<double>(rows * op.cols);
  report(state, values * op.bytes, values * op.operations, machine_of(table), "f32");
}

void register_all() {
  for (const RowOp& op : kOps) {
    for (const Kernels* table : all_kernels()) {
      for (const int64_t rows : {1, 512}) {
        const std::string name = std::string(op.name) + "/" + table->name + "/" +
                                 std::to_string(op.cols) + "/rows:" + std::to_string(rows);
        benchmark::RegisterBenchmark(
            name.c_str(), [=, &op](benchmark::State& state) { row_op(state, *table, op, rows); })
            ->UseRealTime()
            ->Unit(benchmark::kMicrosecond);
      }
    }
  }
}

}  // namespace
}  // namespace octavo::bench

int main(int argc, char** argv) {
  return octavo::bench::run(argc, argv, octavo::bench::register_all);
}
