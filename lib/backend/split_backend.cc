#include "backend/split_backend.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"

namespace octavo {
namespace {

/// Indexes what there is twice.
enum Side : size_t { kGpu = 0, kCpu = 1 };
Side other(Side side) { return side == kGpu ? kCpu : kGpu; }

/// A weight of one of the two devices.
class SplitWeight final : public Weight {
 public:
  SplitWeight(WeightPtr inner, Side side) : inner_(std::move(inner)), side_(side) {}
  int64_t rows() const override { return inner_->rows(); }
  int64_t cols() const override { return inner_->cols(); }
  int64_t bytes() const override { return inner_->bytes(); }
  const WeightPtr& inner() const { return inner_; }
  Side side() const { return side_; }

 private:
  WeightPtr inner_;
  Side side_;
};
const SplitWeight& split(const Weight& w) { return static_cast<const SplitWeight&>(w); }

/// The same activation on both devices; how many of its first rows are what they should be on each.
class SplitActivation final : public Activation {
 public:
  SplitActivation(std::array<ActivationPtr, 2> inner) : inner_(std::move(inner)) {}
  int64_t capacity() const override { return inner_[kGpu]->capacity(); }
  int64_t cols() const override { return inner_[kGpu]->cols(); }
  Activation& on(Side side) const { return *inner_[side]; }

  int64_t valid(Side side) const { return valid_[side]; }
  void set_valid(Side side, int64_t rows) const { valid_[side] = rows; }

 private:
  std::array<ActivationPtr, 2> inner_;
  mutable std::array<int64_t, 2> valid_ = {};
};
const SplitActivation& split(const Activation& x) { return static_cast<const SplitActivation&>(x); }

/// Layers on one side, the others on the other, each a cache of its own.
class SplitCache final : public KvCache {
 public:
  SplitCache(const KvShape& shape, int64_t first_on_gpu, std::array<KvCachePtr, 2> inner)
      : shape_(shape), first_on_gpu_(first_on_gpu), inner_(std::move(inner)) {
    // Each knows a window that hides nothing for what it is.
    shape_.window = any().shape().window;
  }
  const KvShape& shape() const override { return shape_; }
  int64_t capacity() const override {
    int64_t least = any().capacity();
    for (const KvCachePtr& cache : inner_) {
      if (cache) least = std::min(least, cache->capacity());
    }
    return least;
  }
  int64_t bytes() const override {
    int64_t sum = 0;
    for (const KvCachePtr& cache : inner_) sum += cache ? cache->bytes() : 0;
    return sum;
  }
  std::unique_ptr<KvCache> fork() const override {
    std::array<KvCachePtr, 2> forks;
    for (const Side side : {kGpu, kCpu}) {
      if (inner_[side]) forks[side] = inner_[side]->fork();
    }
    return std::make_unique<SplitCache>(shape_, first_on_gpu_, std::move(forks));
  }
  void read(int64_t layer, int64_t first, int64_t count, std::span<std::byte> host) const override {
    on(side_of(layer)).read(layer_within(layer), first, count, host);
  }
  void write(int64_t layer, int64_t first, int64_t count,
             std::span<const std::byte> host) override {
    on(side_of(layer)).write(layer_within(layer), first, count, host);
  }

  Side side_of(int64_t layer) const { return layer >= first_on_gpu_ ? kGpu : kCpu; }
  int64_t layer_within(int64_t layer) const {
    return layer >= first_on_gpu_ ? layer - first_on_gpu_ : layer;
  }
  bool has(Side side) const { return inner_[side] != nullptr; }
  KvCache& on(Side side) const { return *inner_[side]; }

 private:
  const KvCache& any() const { return inner_[kGpu] ? *inner_[kGpu] : *inner_[kCpu]; }

  KvShape shape_;
  int64_t first_on_gpu_;
  std::array<KvCachePtr, 2> inner_;  // null: that side has no layers
};

class SplitBackend final : public Backend {
 public:
  SplitBackend(std::array<std::unique_ptr<Backend>, 2> inner, const Split& split)
      : inner_(std::move(inner)), split_(split) {}

  ActivationPtr activation(int64_t rows, int64_t cols) override {
    return std::make_unique<SplitActivation>(std::array<ActivationPtr, 2>{
        on(kGpu).activation(rows, cols), on(kCpu).activation(rows, cols)});
  }

  KvCachePtr kv_cache(const KvShape& shape) override {
    std::array<KvCachePtr, 2> caches;
    const std::array<int64_t, 2> layers = {shape.layers - split_.first_on_gpu, split_.first_on_gpu};
    for (const Side side : {kGpu, kCpu}) {
      KvShape part = shape;
      part.layers = std::clamp<int64_t>(layers[side], 0, shape.layers);
      if (part.layers > 0) caches[side] = on(side).kv_cache(part);
    }
    return std::make_unique<SplitCache>(shape, split_.first_on_gpu, std::move(caches));
  }

  void embed(const Weight& table, std::span<const int32_t> ids, Activation& out) override {
    const Side side = octavo::split(table).side();
    const auto rows = static_cast<int64_t>(ids.size());
    on(side).embed(inner(table), ids, written(out, side, rows));
  }

  void rmsnorm(const Activation& x, int64_t rows, const Weight& gain, float eps,
               Activation& out) override {
    const Side side = octavo::split(gain).side();
    const Activation& in = wanted(x, side, rows);
    on(side).rmsnorm(in, rows, inner(gain), eps, written(out, side, rows));
  }

  void matmul(const Activation& x, int64_t first, int64_t rows,
              std::span<const Projection> projections) override {
    for (const Side side : {kGpu, kCpu}) {
      std::vector<Projection> here;
      for (const Projection& p : projections) {
        if (octavo::split(*p.weight).side() != side) continue;
        here.push_back({&inner(*p.weight), &written(*p.out, side, rows)});
      }
      if (!here.empty()) on(side).matmul(wanted(x, side, first + rows), first, rows, here);
    }
  }

  void attention(Activation& q, Activation& k, const Activation& v, int64_t rows,
                 const AttentionShape& shape, KvCache& cache, int64_t layer, int64_t position,
                 Activation& out) override {
    const auto& kept = static_cast<SplitCache&>(cache);
    const Side side = kept.side_of(layer);
    wanted(q, side, rows);
    wanted(k, side, rows);
    const Activation& values = wanted(v, side, rows);
    on(side).attention(written(q, side, rows), written(k, side, rows), values, rows, shape,
                       kept.on(side), kept.layer_within(layer), position, written(out, side, rows));
  }

  void shift(KvCache& cache, int64_t first, int64_t end, int64_t by, double rope_theta) override {
    const auto& kept = static_cast<SplitCache&>(cache);
    for (const Side side : {kGpu, kCpu}) {
      if (kept.has(side)) on(side).shift(kept.on(side), first, end, by, rope_theta);
    }
  }

  void moe_ffn(const Activation& x, int64_t rows, const Weight& router,
               std::span<const Expert> experts, int64_t top_k, Activation& out,
               Routing* routing) override {
    const Side side = octavo::split(router).side();
    const Activation& in = wanted(x, side, rows);
    on(side).moe_ffn(in, rows, inner(router), inner(experts), top_k, written(out, side, rows),
                     routing);
  }

  void ffn(const Activation& x, int64_t rows, const Expert& expert, Activation& out) override {
    const Side side = octavo::split(*expert.w1).side();
    const Activation& in = wanted(x, side, rows);
    on(side).ffn(in, rows, inner({&expert, 1}).front(), written(out, side, rows));
  }

  void add(const Activation& y, int64_t rows, Activation& x) override {
    // y was just computed. It goes where x is, unless x is with it as well.
    const Side y_side = valid_at(y, rows);
    const Side side = octavo::split(x).valid(y_side) >= rows ? y_side : valid_at(x, rows);
    const Activation& from = wanted(y, side, rows);
    wanted(x, side, rows);
    on(side).add(from, rows, written(x, side, rows));
  }

  void read(const Activation& x, int64_t first, int64_t rows, std::span<float> host) override {
    const Side side = valid_at(x, first + rows);
    on(side).read(octavo::split(x).on(side), first, rows, host);
  }

  void write(std::span<const float> host, int64_t rows, Activation& x) override {
    // To both: nobody knows yet who will want it.
    for (const Side side : {kGpu, kCpu}) {
      on(side).write(host, rows, octavo::split(x).on(side));
      octavo::split(x).set_valid(side, rows);
    }
  }

 private:
  Backend& on(Side side) const { return *inner_[side]; }
  static const Weight& inner(const Weight& w) { return *octavo::split(w).inner(); }
  std::span<const Expert> inner(std::span<const Expert> experts) {
    experts_.clear();
    for (const Expert& e : experts) {
      experts_.push_back({octavo::split(*e.w1).inner(), octavo::split(*e.w3).inner(),
                          octavo::split(*e.w2).inner()});
    }
    return experts_;
  }

  /// A side that has the first `rows` rows; the GPU when both have.
  static Side valid_at(const Activation& x, int64_t rows) {
    const SplitActivation& both = octavo::split(x);
    if (both.valid(kGpu) >= rows) return kGpu;
    return both.valid(kCpu) >= both.valid(kGpu) ? kCpu : kGpu;
  }

  /// x on `side`, with the rows that are to be read.
  const Activation& wanted(const Activation& x, Side side, int64_t rows) {
    const SplitActivation& both = octavo::split(x);
    if (both.valid(side) < rows && both.valid(other(side)) > both.valid(side)) copy(both, side);
    return both.on(side);
  }
  /// x on `side`, of which the first `rows` rows are about to be written. Rows behind them count as
  /// gone: a prompt's are not worth copying with each token that follows.
  static Activation& written(Activation& x, Side side, int64_t rows) {
    const SplitActivation& both = octavo::split(x);
    both.set_valid(side, rows);
    both.set_valid(other(side), 0);
    return both.on(side);
  }
  void copy(const SplitActivation& x, Side to) {
    const Side from = other(to);
    const int64_t rows = x.valid(from);
    host_.resize(static_cast<size_t>(rows * x.cols()));
    on(from).read(x.on(from), 0, rows, host_);
    on(to).write(host_, rows, x.on(to));
    x.set_valid(to, rows);
  }

  std::array<std::unique_ptr<Backend>, 2> inner_;
  const Split split_;
  std::vector<Expert> experts_;  // of the layer at work
  std::vector<float> host_;      // on its way from one side to the other
};

class SplitDevice final : public Device {
 public:
  SplitDevice(std::shared_ptr<Device> gpu, std::shared_ptr<Device> cpu, const Split& split)
      : inner_{std::move(gpu), std::move(cpu)}, split_(split) {}
  std::string_view name() const override { return inner_[kGpu]->name(); }
  std::string description() const override {
    const int64_t layers =
        std::clamp<int64_t>(split_.layers - split_.first_on_gpu, 0, split_.layers);
    return fmt::format("{}, {} of {} layers{}; the rest on {}", inner_[kGpu]->description(), layers,
                       split_.layers, split_.experts_on_cpu ? " without their experts" : "",
                       inner_[kCpu]->description());
  }
  WeightPtr load(const TensorView& tensor) override {
    return place(tensor, {split_.layers, false});
  }
  WeightPtr place(const TensorView& tensor, const WeightPlace& place) override {
    const Side side = split_.on_gpu(place) ? kGpu : kCpu;
    return std::make_shared<SplitWeight>(inner_[side]->place(tensor, place), side);
  }
  std::unique_ptr<Backend> backend(const BackendLimits& limits) override {
    return std::make_unique<SplitBackend>(
        std::array<std::unique_ptr<Backend>, 2>{inner_[kGpu]->backend(limits),
                                                inner_[kCpu]->backend(limits)},
        split_);
  }
  // Of the GPU: it is what the speed of a split model is hoped to come from.
  MachineSpeed measure(int threads) override { return inner_[kGpu]->measure(threads); }
  std::string_view prefill_unit(Format format, const MachineSpeed& speed) const override {
    return inner_[kGpu]->prefill_unit(format, speed);
  }
  DeviceMemory memory() const override { return inner_[kGpu]->memory(); }

 private:
  std::array<std::shared_ptr<Device>, 2> inner_;
  const Split split_;
};

}  // namespace

std::shared_ptr<Device> make_split_device(std::shared_ptr<Device> gpu, std::shared_ptr<Device> cpu,
                                          const Split& split) {
  return std::make_shared<SplitDevice>(std::move(gpu), std::move(cpu), split);
}

}  // namespace octavo
