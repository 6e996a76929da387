// A yardstick: oneDNN's own matrix product at the same shapes, weights cold and in the order that
// it likes best: f32, bf16, and unsigned by signed int8 (without any scales).
//   build/release/bin/onednn_bench --benchmark_filter=bf16/14336x4096
#include <benchmark/benchmark.h>

#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "bench/report.h"
#include "bench/run.h"
#include "bench/weights.h"

namespace octavo::bench {
namespace {

using Desc = dnnl::memory::desc;
using Type = dnnl::memory::data_type;
using Tag = dnnl::memory::format_tag;

struct Kind {
  const char* name;  ///< also the unit's
  Type source, weights, target;
  uint32_t one;  ///< four bytes of weights that are ones, or small
};

constexpr Kind kKinds[] = {{"f32", Type::f32, Type::f32, Type::f32, 0x3F800000},
                           {"bf16", Type::bf16, Type::bf16, Type::f32, 0x3F803F80},
                           {"int8", Type::u8, Type::s8, Type::f32, 0x01010101}};

std::vector<std::byte> filled(size_t bytes, uint32_t word) {
  std::vector<std::byte> data((bytes + 3) / 4 * 4);
  for (size_t i = 0; i < data.size(); i += 4) std::memcpy(data.data() + i, &word, 4);
  return data;
}

/// y [rows, shape.rows] = x [rows, shape.cols] * w [shape.cols, shape.rows]
void matmul(benchmark::State& state, const Kind& kind, Shape shape, int64_t rows) {
  const LibraryThreads threads(available_threads());
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const Desc x_desc({rows, shape.cols}, kind.source, Tag::ab);
  const Desc any({shape.cols, shape.rows}, kind.weights, Tag::any);
  const Desc y_desc({rows, shape.rows}, kind.target, Tag::ab);
  const dnnl::matmul::primitive_desc found(dnnl::matmul::desc(x_desc, any, y_desc), engine);
  const dnnl::matmul product(found);

  const size_t bytes = found.weights_desc().get_size();
  const int64_t copies = cold_copies(static_cast<int64_t>(bytes));
  std::vector<std::byte> x = filled(x_desc.get_size(), kind.one);
  std::vector<std::byte> w = filled(bytes * static_cast<size_t>(copies), kind.one);
  std::vector<std::byte> y(y_desc.get_size());
  const dnnl::memory x_memory(x_desc, engine, x.data()), y_memory(y_desc, engine, y.data());
  int64_t iteration = 0;
  for (auto _ : state) {
    const size_t copy = static_cast<size_t>(iteration++ % copies);
    const dnnl::memory w_memory(found.weights_desc(), engine, w.data() + copy * bytes);
    product.execute(
        stream, {{DNNL_ARG_SRC, x_memory}, {DNNL_ARG_WEIGHTS, w_memory}, {DNNL_ARG_DST, y_memory}});
    stream.wait();
  }
  report(state, static_cast<double>(bytes),
         2.0 * static_cast<double>(shape.rows * shape.cols * rows), machine(), kind.name);
  state.SetLabel(found.impl_info_str());
}

void register_all() {
  for (const Kind& kind : kKinds) {
    for (const Shape& shape : kShapes) {
      for (const int64_t rows : kRowCounts) {
        const std::string name = "onednn/" + std::string(kind.name) + "/" + shape.name() +
                                 "/rows:" + std::to_string(rows);
        benchmark::RegisterBenchmark(
            name.c_str(), [=, &kind](benchmark::State& state) { matmul(state, kind, shape, rows); })
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
