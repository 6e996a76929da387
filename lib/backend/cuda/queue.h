// What a backend has given its GPU to do: one stream, the scratch memory of its ops, and the graphs
// of those it does again and again.
//
// Ops of few rows wait until somebody wants to see a result: the ops of one token are then known as
// a list, and when the same list comes a second time it is captured into a CUDA graph, which
// replays all of them in one call. What changes from token to token is in device memory (the ids,
// the position, the page table), and in the list only what the launches depend on.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "backend/cuda/cuda_device.h"
#include "backend/cuda/memory.h"
#include "backend/cuda/ops.h"
#include "backend/cuda/scratch.h"

namespace octavo::cuda {

class Queue {
 public:
  Queue(const BackendLimits& limits, std::shared_ptr<CudaDevice> device);

  const OwnedStream& stream() const { return stream_; }
  const Scratch& scratch() const { return scratch_; }
  const BackendLimits& limits() const { return limits_; }

  /// Does the op, at once or with others of its token.
  void add(Op op);
  /// Ids for the EmbedOps that follow, at most limits.rows.
  void set_ids(std::span<const int32_t> ids);
  /// Position for the AttentionOps that follow; device memory has it before they run.
  void set_position(int64_t position);
  const int32_t* position() const { return state_.data(); }
  /// Frequencies [half] of the rotary embedding.
  const float* frequencies(double theta, int64_t half);
  /// Room for attention that is split over the keys, [floats].
  void reserve_attention(int64_t floats);

  /// Gives the GPU what still waits to be given.
  void flush();
  /// The same, and waits for it.
  void wait();

  /// Off: every op is launched by itself. For tests that compare.
  void use_graphs(bool use) { use_graphs_ = use; }

 private:
  struct Graph {
    std::vector<Op> ops;
    std::unique_ptr<CUgraphExec_st, Freer<cudaGraphExecDestroy>> executable;
  };
  /// Graphs that are kept: with and without logits, for a short and for a longer sequence.
  static constexpr size_t kMostGraphs = 4;

  void launch(const Op& op);
  void run(const EmbedOp& op);
  void run(const NormOp& op);
  void run(const AddOp& op);
  void run(const MatmulOp& op);
  void run(const AttentionOp& op);
  void run(const MoeOp& op);
  void run_few(const MoeOp& op, int64_t first, int64_t rows);
  void run_tiles(const MoeOp& op);
  void send_state();
  const Graph* find_graph();
  const Graph* capture();
  void forget_graphs();

  const BackendLimits limits_;
  std::shared_ptr<CudaDevice> device_;
  int64_t uploads_seen_ = 0;
  OwnedStream stream_;
  Scratch scratch_;
  Buffer<float> attention_;    // [floats]
  Buffer<float> frequencies_;  // [half]
  double theta_ = 0;
  Buffer<int32_t> state_;                 // [1 + rows] position, ids
  std::vector<int32_t> ids_;              // to be sent
  std::optional<int64_t> next_position_;  // to be sent
  int64_t position_ = -1;                 // of all waiting ops, and of those after them
  std::vector<Op> waiting_, last_;
  std::vector<Graph> graphs_;  // the latest last
  bool use_graphs_ = true;
};

}  // namespace octavo::cuda
