// The ops on the GPU: which memory, in which order. What runs there is in kernels/.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "backend/cuda/cuda_device.h"
#include "backend/cuda/cuda_kv_cache.h"
#include "backend/cuda/queue.h"

namespace octavo::cuda {

class CudaActivation final : public Activation {
 public:
  CudaActivation(int64_t rows, int64_t cols, std::shared_ptr<Queue> queue)
      : rows_(rows), cols_(cols), values_(rows * cols, "activations"), queue_(std::move(queue)) {}
  ~CudaActivation() override;
  CudaActivation(const CudaActivation&) = delete;
  CudaActivation& operator=(const CudaActivation&) = delete;

  int64_t capacity() const override { return rows_; }
  int64_t cols() const override { return cols_; }
  float* row(int64_t r) const { return values_.data() + r * cols_; }

 private:
  int64_t rows_, cols_;
  Buffer<float> values_;
  std::shared_ptr<Queue> queue_;  // ops that still wait may use the memory
};

class CudaBackend final : public Backend {
 public:
  CudaBackend(const BackendLimits& limits, std::shared_ptr<CudaDevice> device);

  ActivationPtr activation(int64_t rows, int64_t cols) override;
  KvCachePtr kv_cache(const KvShape& shape) override;
  void embed(const Weight& table, std::span<const int32_t> ids, Activation& out) override;
  void rmsnorm(const Activation& x, int64_t rows, const Weight& gain, float eps,
               Activation& out) override;
  void matmul(const Activation& x, int64_t first, int64_t rows,
              std::span<const Projection> projections) override;
  void attention(Activation& q, Activation& k, const Activation& v, int64_t rows,
                 const AttentionShape& shape, KvCache& cache, int64_t layer, int64_t position,
                 Activation& out) override;
  void shift(KvCache& cache, int64_t first, int64_t end, int64_t by, double rope_theta) override;
  void moe_ffn(const Activation& x, int64_t rows, const Weight& router,
               std::span<const Expert> experts, int64_t top_k, Activation& out,
               Routing* routing) override;
  void ffn(const Activation& x, int64_t rows, const Expert& expert, Activation& out) override;
  void add(const Activation& y, int64_t rows, Activation& x) override;
  void read(const Activation& x, int64_t first, int64_t rows, std::span<float> host) override;
  void write(std::span<const float> host, int64_t rows, Activation& x) override;

  Queue& queue() { return *queue_; }

 private:
  /// The experts of a layer, as the kernels find them.
  struct ExpertTable {
    std::vector<ExpertMatrices> host;
    Buffer<ExpertMatrices> device;  // [host.size()]
  };
  Experts describe(std::span<const Expert> experts);
  void read_routing(int64_t rows, int64_t experts, int64_t top_k, Routing& routing);

  std::shared_ptr<Queue> queue_;
  std::map<const Weight*, ExpertTable> tables_;  // by the first expert's w1
  Pinned<float> staging_;                        // what read() brings, a part at a time
};

}  // namespace octavo::cuda
