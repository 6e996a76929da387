#include "backend/cuda/queue.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "backend/cuda/kernels/state.h"

namespace octavo::cuda {
namespace {

/// Enough for the ops of a token of any model there is; more would only take a moment longer.
constexpr size_t kExpectedOps = 1024;
/// Ops that are worth a graph whatever they are: a few layers.
constexpr size_t kLeastOps = 12;

int64_t rows_of(const Op& op) {
  return std::visit(
      [](const auto& one) -> int64_t {
        using T = std::decay_t<decltype(one)>;
        if constexpr (std::is_same_v<T, AddOp>) {
          return 0;  // goes with the others
        } else if constexpr (std::is_same_v<T, AttentionOp>) {
          return one.rows.rows;
        } else {
          return one.rows;
        }
      },
      op);
}

}  // namespace

Queue::Queue(const BackendLimits& limits, std::shared_ptr<CudaDevice> device)
    : limits_(limits),
      device_(std::move(device)),
      scratch_(limits),
      state_(1 + limits.rows, "ids of tokens") {
  waiting_.reserve(kExpectedOps);
  last_.reserve(kExpectedOps);
  const Buffer<int32_t>& arrived = scratch_.arrived;
  check(cudaMemsetAsync(arrived.data(), 0, static_cast<size_t>(arrived.bytes()), stream_),
        "clearing memory");
}

void Queue::add(Op op) {
  device_->await_uploads(stream_, uploads_seen_);
  const bool can_wait = use_graphs_ && rows_of(op) <= kFewRows;
  if (can_wait && (rows_of(op) > 0 || !waiting_.empty())) {
    if (waiting_.empty() || !fuse(waiting_.back(), op)) waiting_.push_back(op);
    return;
  }
  flush();
  send_state();
  launch(op);
}

void Queue::set_ids(std::span<const int32_t> ids) {
  flush();  // a new token: what waits has read the ids of the last one
  ids_.assign(ids.begin(), ids.end());
}

void Queue::set_position(int64_t position) {
  if (position == position_) return;
  const bool in_use = std::any_of(waiting_.begin(), waiting_.end(), [](const Op& op) {
    return std::holds_alternative<AttentionOp>(op);
  });
  if (in_use) flush();
  position_ = position;
  next_position_ = position;
}

void Queue::send_state() {
  if (next_position_ && !ids_.empty()) {
    ids_.insert(ids_.begin(), static_cast<int32_t>(*next_position_));
    set_ints(state_.data(), ids_, stream_);
  } else if (next_position_) {
    const auto position = static_cast<int32_t>(*next_position_);
    set_ints(state_.data(), {&position, 1}, stream_);
  } else if (!ids_.empty()) {
    set_ints(state_.data() + 1, ids_, stream_);
  }
  next_position_.reset();
  ids_.clear();
}

const float* Queue::frequencies(double theta, int64_t half) {
  if (theta_ == theta && frequencies_.count() == half) return frequencies_.data();
  wait();
  if (frequencies_.count() != half) {
    forget_graphs();
    frequencies_ = Buffer<float>(half, "rotary frequencies");
  }
  // f32 of the double's power, as the CPU has it.
  std::vector<float> values(static_cast<size_t>(half));
  for (int64_t i = 0; i < half; ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(2 * half);
    values[static_cast<size_t>(i)] = static_cast<float>(std::pow(theta, exponent));
  }
  to_device(values.data(), half, frequencies_.data(), stream_);
  stream_.wait();
  theta_ = theta;
  return frequencies_.data();
}

void Queue::reserve_attention(int64_t floats) {
  if (attention_.count() >= floats) return;
  wait();
  forget_graphs();
  attention_ = {};
  attention_ = Buffer<float>(floats, "parts of attention");
}

void Queue::forget_graphs() {
  graphs_.clear();
  last_.clear();
}

void Queue::flush() {
  if (waiting_.empty()) return;
  try {
    send_state();
    if (const Graph* graph = find_graph(); graph != nullptr) {
      check(cudaGraphLaunch(graph->executable.get(), stream_), "replaying a token");
    } else {
      for (const Op& op : waiting_) launch(op);
    }
  } catch (...) {
    waiting_.clear();  // what the ops point to may be gone before somebody flushes again
    throw;
  }
  std::swap(last_, waiting_);
  waiting_.clear();
}

void Queue::wait() {
  flush();
  stream_.wait();
}

/// The graph of the waiting ops, if they are worth one; null: they are new.
const Queue::Graph* Queue::find_graph() {
  const auto same = [&](const Graph& graph) { return graph.ops == waiting_; };
  const auto found = std::find_if(graphs_.begin(), graphs_.end(), same);
  if (found != graphs_.end()) {
    std::rotate(found, found + 1, graphs_.end());
    return &graphs_.back();
  }
  // A token begins with its embedding, unless that is on the CPU and so are the first layers.
  const bool is_token =
      std::holds_alternative<EmbedOp>(waiting_.front()) || waiting_.size() >= kLeastOps;
  return is_token && waiting_ == last_ ? capture() : nullptr;
}

const Queue::Graph* Queue::capture() {
  check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "capturing a token");
  std::unique_ptr<CUgraph_st, Freer<cudaGraphDestroy>> graph;
  const auto end = [&] {
    cudaGraph_t captured = nullptr;
    const cudaError_t result = cudaStreamEndCapture(stream_, &captured);
    graph.reset(captured);
    return result;
  };
  try {
    for (const Op& op : waiting_) launch(op);
  } catch (...) {
    end();
    throw;
  }
  check(end(), "capturing a token");
  cudaGraphExec_t executable = nullptr;
  check(cudaGraphInstantiate(&executable, graph.get(), 0), "making a graph of a token");
  if (graphs_.size() == kMostGraphs) graphs_.erase(graphs_.begin());
  graphs_.push_back({waiting_, {}});
  graphs_.back().executable.reset(executable);
  return &graphs_.back();
}

}  // namespace octavo::cuda
