// The mixture of experts as one op of the CPU backend at Mixtral 8x7B's shape: 8 experts of
// 4096 x 14336, 2 a row, random rows, all threads.
//   build/release/bin/moe_bench --benchmark_filter=q4_k
#include <benchmark/benchmark.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "bench/report.h"
#include "bench/run.h"
#include "bench/weights.h"

namespace octavo::bench {
namespace {

constexpr int64_t kDim = 4096, kFfn = 14336, kExperts = 8, kTopK = 2;
/// Inputs that take turns, so that decode does not meet the same experts every time.
constexpr int64_t kInputs = 8;

TensorView view_of(Format format, Shape shape, const std::byte* data) {
  return {format,     Order::kPacked, shape.rows,
          shape.cols, data,           packed_bytes(format, shape.rows, shape.cols)};
}

/// The weights of one layer. As many experts have pages of their own as it takes to be cold; the
/// others share those.
class Layer {
 public:
  /// That of the last call when it is the same: only one is ever in memory.
  static const Layer& get(Device& device, Format format) {
    static std::unique_ptr<Layer> last;
    if (!last || last->format_ != format) {
      last.reset();
      last = std::make_unique<Layer>(device, format);
    }
    return *last;
  }
  Layer(Device& device, Format format) : format_(format) {
    const Shape up = {kFfn, kDim}, down = {kDim, kFfn}, routing = {kExperts, kDim};
    const int64_t up_bytes = packed_bytes(format, up.rows, up.cols);
    const int64_t down_bytes = packed_bytes(format, down.rows, down.cols);
    const int64_t own = std::min(kExperts, cold_copies(2 * up_bytes + down_bytes) + 1);
    up_ = packed_weights(format, up, 2 * own);
    down_ = packed_weights(format, down, own);
    for (int64_t e = 0; e < kExperts; ++e) {
      const std::byte* pair = up_.data() + e % own * 2 * up_bytes;
      experts.push_back({device.load(view_of(format, up, pair)),
                         device.load(view_of(format, up, pair + up_bytes)),
                         device.load(view_of(format, down, down_.data() + e % own * down_bytes))});
    }
    const std::vector<float> values = random_values(kExperts * kDim);
    router_.resize(static_cast<size_t>(packed_bytes(Format::kF32, kExperts, kDim)));
    pack_panel(Format::kF32, reinterpret_cast<const std::byte*>(values.data()), 4 * kDim, kExperts,
               kDim, router_.data());
    router = device.load(view_of(Format::kF32, routing, router_.data()));
    expert_bytes = static_cast<double>(2 * up_bytes + down_bytes);
  }

  WeightPtr router;
  std::vector<Expert> experts;
  double expert_bytes = 0;

 private:
  Format format_;
  std::vector<std::byte> up_, down_, router_;  // packed; up [own, 2, kFfn, kDim]
};

void moe_ffn(benchmark::State& state, Format format, int64_t rows) {
  const std::shared_ptr<Device> device = make_device("cpu");
  const auto backend = device->backend({.rows = rows,
                                        .cols = kDim,
                                        .ffn_dim = kFfn,
                                        .heads = 32,
                                        .experts = kExperts,
                                        .top_k = kTopK});
  const Layer& layer = Layer::get(*device, format);
  const std::vector<float> values = random_values(kInputs * rows * kDim);
  std::vector<ActivationPtr> inputs;
  for (int64_t i = 0; i < kInputs; ++i) {
    inputs.push_back(backend->activation(rows, kDim));
    backend->write(std::span(values).subspan(static_cast<size_t>(i * rows * kDim),
                                             static_cast<size_t>(rows * kDim)),
                   rows, *inputs.back());
  }
  const ActivationPtr out = backend->activation(rows, kDim);
  Routing routing;
  double bytes = 0, calls = 0;
  for (auto _ : state) {
    const Activation& x = *inputs[static_cast<size_t>(calls) % kInputs];
    backend->moe_ffn(x, rows, *layer.router, layer.experts, kTopK, *out, &routing);
    const std::set<int32_t> used(routing.experts.begin(), routing.experts.end());
    bytes += layer.expert_bytes * static_cast<double>(used.size());
    ++calls;
  }
  report(state, bytes / calls, 2.0 * 3 * kDim * kFfn * kTopK * static_cast<double>(rows), machine(),
         prefill_unit("cpu", format_name(format), machine()));
}

void register_all() {
  for (const Format format : all_formats()) {
    for (const int64_t rows : kRowCounts) {
      const std::string name =
          "moe_ffn/" + std::string(format_name(format)) + "/rows:" + std::to_string(rows);
      benchmark::RegisterBenchmark(name.c_str(),
                                   [=](benchmark::State& state) { moe_ffn(state, format, rows); })
          ->UseRealTime()
          ->Unit(benchmark::kMicrosecond);
    }
  }
}

}  // namespace
}  // namespace octavo::bench

int main(int argc, char** argv) {
  return octavo::bench::run(argc, argv, octavo::bench::register_all);
}
