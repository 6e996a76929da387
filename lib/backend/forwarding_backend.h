// A Backend that passes every op on to another one: for those that look on and change a few.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "backend/backend.h"

namespace octavo {

class ForwardingBackend : public Backend {
 public:
  explicit ForwardingBackend(std::unique_ptr<Backend> inner) : inner_(std::move(inner)) {}

  ActivationPtr activation(int64_t rows, int64_t cols) override {
    return inner_->activation(rows, cols);
  }
  KvCachePtr kv_cache(const KvShape& shape) override { return inner_->kv_cache(shape); }
  void embed(const Weight& table, std::span<const int32_t> ids, Activation& out) override {
    inner_->embed(table, ids, out);
  }
  void rmsnorm(const Activation& x, int64_t rows, const Weight& gain, float eps,
               Activation& out) override {
    inner_->rmsnorm(x, rows, gain, eps, out);
  }
  void matmul(const Activation& x, int64_t first, int64_t rows,
              std::span<const Projection> projections) override {
    inner_->matmul(x, first, rows, projections);
  }
  void attention(Activation& q, Activation& k, const Activation& v, int64_t rows,
                 const AttentionShape& shape, KvCache& cache, int64_t layer, int64_t position,
                 Activation& out) override {
    inner_->attention(q, k, v, rows, shape, cache, layer, position, out);
  }
  void shift(KvCache& cache, int64_t first, int64_t end, int64_t by, double rope_theta) override {
    inner_->shift(cache, first, end, by, rope_theta);
  }
  void moe_ffn(const Activation& x, int64_t rows, const Weight& router,
               std::span<const Expert> experts, int64_t top_k, Activation& out,
               Routing* routing) override {
    inner_->moe_ffn(x, rows, router, experts, top_k, out, routing);
  }
  void ffn(const Activation& x, int64_t rows, const Expert& expert, Activation& out) override {
    inner_->ffn(x, rows, expert, out);
  }
  void add(const Activation& y, int64_t rows, Activation& x) override { inner_->add(y, rows, x); }
  void read(const Activation& x, int64_t first, int64_t rows, std::span<float> host) override {
    inner_->read(x, first, rows, host);
  }
  void write(std::span<const float> host, int64_t rows, Activation& x) override {
    inner_->write(host, rows, x);
  }
  int64_t independent_rows() const override { return inner_->independent_rows(); }

 protected:
  std::unique_ptr<Backend> inner_;
};

/// The same of a device, which must outlive it: only its backends are others.
class ForwardingDevice : public Device {
 public:
  explicit ForwardingDevice(Device& inner) : inner_(inner) {}
  std::string_view name() const override { return inner_.name(); }
  std::string description() const override { return inner_.description(); }
  WeightPtr load(const TensorView& tensor) override { return inner_.load(tensor); }
  WeightPtr place(const TensorView& tensor, const WeightPlace& place) override {
    return inner_.place(tensor, place);
  }
  MachineSpeed measure(int threads) override { return inner_.measure(threads); }
  std::string_view prefill_unit(Format format, const MachineSpeed& speed) const override {
    return inner_.prefill_unit(format, speed);
  }
  DeviceMemory memory() const override { return inner_.memory(); }

 protected:
  Device& inner_;
};

}  // namespace octavo
