#include "backend/cuda/cuda_backend.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace octavo::cuda {
namespace {

const CudaActivation& on_gpu(const Activation& x) { return static_cast<const CudaActivation&>(x); }
const Matrix& on_gpu(const Weight& w) { return static_cast<const CudaWeight&>(w).matrix(); }

/// Floats that read() brings at a time.
constexpr int64_t kStaging = int64_t{1} << 18;
/// Graphs are made for sequences of up to so many positions, and powers of two from there.
constexpr uint64_t kLeastSequence = 512;

}  // namespace

CudaActivation::~CudaActivation() {
  try {
    queue_->wait();                  // before the memory is given back
  } catch (const std::exception&) {  // whoever waits next hears of it
  }
}

CudaBackend::CudaBackend(const BackendLimits& limits, std::shared_ptr<CudaDevice> device)
    : queue_(std::make_shared<Queue>(limits, std::move(device))), staging_(kStaging) {}

ActivationPtr CudaBackend::activation(int64_t rows, int64_t cols) {
  return std::make_unique<CudaActivation>(rows, cols, queue_);
}

KvCachePtr CudaBackend::kv_cache(const KvShape& shape) {
  auto cache = std::make_unique<CudaKvCache>(shape);
  const KvShape& kept = cache->shape();
  queue_->reserve_attention(attend_scratch(kFewRows, queue_->limits().heads, kv_row(shape.head_dim),
                                           attend_parts(kept.context, kept.window)));
  return cache;
}

void CudaBackend::embed(const Weight& table, std::span<const int32_t> ids, Activation& out) {
  queue_->set_ids(ids);
  queue_->add(EmbedOp{on_gpu(table), static_cast<int64_t>(ids.size()), on_gpu(out).row(0)});
}

void CudaBackend::rmsnorm(const Activation& x, int64_t rows, const Weight& gain, float eps,
                          Activation& out) {
  const auto* values = reinterpret_cast<const float*>(on_gpu(gain).data);
  queue_->add(NormOp{on_gpu(x).row(0), rows, x.cols(), values, eps, on_gpu(out).row(0)});
}

void CudaBackend::matmul(const Activation& x, int64_t first, int64_t rows,
                         std::span<const Projection> projections) {
  for (size_t begin = 0; begin < projections.size(); begin += kMostProducts) {
    MatmulOp op = {on_gpu(x).row(first), rows, x.cols(), {}, 0};
    op.count = std::min(kMostProducts, projections.size() - begin);
    for (size_t i = 0; i < op.count; ++i) {
      const Projection& p = projections[begin + i];
      op.products[i] = {on_gpu(*p.weight), on_gpu(*p.out).row(0), p.out->cols()};
    }
    queue_->add(op);
  }
}

void CudaBackend::attention(Activation& q, Activation& k, const Activation& v, int64_t rows,
                            const AttentionShape& shape, KvCache& kv_cache, int64_t layer,
                            int64_t position, Activation& out) {
  auto& cache = static_cast<CudaKvCache&>(kv_cache);
  const KvShape& kept = cache.shape();
  cache.use(queue_);
  queue_->set_position(position);
  const float* frequencies = queue_->frequencies(shape.rope_theta, kept.head_dim / 2);
  // A ring takes as many rows at a time as it can without losing keys that the first of them still
  // sees.
  for (int64_t first = 0; first < rows;) {
    const int64_t step = std::min(rows - first, cache.append_limit());
    cache.prepare(position + first, step, queue_->stream());
    const auto end = static_cast<uint64_t>(position + first + step);
    const auto sequence =
        std::min(kept.context, static_cast<int64_t>(std::max(kLeastSequence, std::bit_ceil(end))));
    queue_->add(AttentionOp{{.q = on_gpu(q).row(first),
                             .k = on_gpu(k).row(first),
                             .v = on_gpu(v).row(first),
                             .out = on_gpu(out).row(first),
                             .rows = static_cast<int32_t>(step),
                             .heads = static_cast<int32_t>(shape.heads),
                             .position = queue_->position(),
                             .first = static_cast<int32_t>(first),
                             .frequencies = frequencies},
                            cache.view(layer),
                            attend_parts(sequence, kept.window)});
    first += step;
  }
}

void CudaBackend::shift(KvCache& kv_cache, int64_t first, int64_t end, int64_t by,
                        double rope_theta) {
  auto& cache = static_cast<CudaKvCache&>(kv_cache);
  const KvShape& kept = cache.shape();
  cache.use(queue_);
  queue_->flush();
  const float* frequencies = queue_->frequencies(rope_theta, kept.head_dim / 2);
  // A page at a time, oldest first, never writes over what is still to be read; in a ring it might.
  const int64_t step = kept.window > 0 ? end - first : std::min<int64_t>(end - first, kKvPage);
  if (step <= 0) return;
  const KvView view = cache.view(0);
  const Buffer<std::byte> scratch(shift_scratch(view, kept.layers, step), "shifting the context");
  for (int64_t begin = first; begin < end; begin += step) {
    const int64_t count = std::min(step, end - begin);
    // Entries are rounded where they lie before they move, so no other cache may see the page.
    cache.prepare(begin, count, queue_->stream());
    const ShiftedEntries entries = {.layers = static_cast<int32_t>(kept.layers),
                                    .count = static_cast<int32_t>(count),
                                    .first = begin,
                                    .by = by,
                                    .layer_bytes = cache.layer_bytes(),
                                    .frequencies = frequencies,
                                    .scratch = scratch.data()};
    read_shifted(entries, view, queue_->stream());
    cache.prepare(begin - by, count, queue_->stream());
    write_shifted(entries, view, queue_->stream());
  }
  queue_->wait();  // the scratch is given back
}

Experts CudaBackend::describe(std::span<const Expert> experts) {
  std::vector<ExpertMatrices> host;
  host.reserve(experts.size());
  for (const Expert& expert : experts) {
    const Matrix &w1 = on_gpu(*expert.w1), &w3 = on_gpu(*expert.w3), &w2 = on_gpu(*expert.w2);
    host.push_back({w1.data, w3.data, w2.data, w1.format, w3.format, w2.format});
  }
  ExpertTable& table = tables_[experts.front().w1.get()];
  if (table.host != host) {
    queue_->wait();
    const auto count = static_cast<int64_t>(host.size());
    if (table.device.count() != count) {
      table.device = Buffer<ExpertMatrices>(count, "the addresses of experts");
    }
    to_device(host.data(), count, table.device.data(), queue_->stream());
    queue_->stream().wait();
    table.host = std::move(host);
  }
  const Weight& w1 = *experts.front().w1;
  return describe_experts(table.host, table.device.data(), w1.cols(), w1.rows());
}

void CudaBackend::moe_ffn(const Activation& x, int64_t rows, const Weight& router,
                          std::span<const Expert> experts, int64_t top_k, Activation& out,
                          Routing* routing) {
  queue_->add(
      MoeOp{on_gpu(x).row(0), rows, on_gpu(router), describe(experts), top_k, on_gpu(out).row(0)});
  if (routing != nullptr) read_routing(rows, router.rows(), top_k, *routing);
}

void CudaBackend::ffn(const Activation& x, int64_t rows, const Expert& expert, Activation& out) {
  queue_->add(MoeOp{on_gpu(x).row(0), rows, {}, describe({&expert, 1}), 1, on_gpu(out).row(0)});
}

void CudaBackend::read_routing(int64_t rows, int64_t experts, int64_t top_k, Routing& routing) {
  queue_->flush();
  const Scratch& scratch = queue_->scratch();
  routing.rows = rows;
  routing.logits.resize(static_cast<size_t>(rows * experts));
  routing.experts.resize(static_cast<size_t>(rows * top_k));
  routing.weights.resize(static_cast<size_t>(rows * top_k));
  to_host(scratch.logits.data(), rows * experts, routing.logits.data(), queue_->stream());
  to_host(scratch.experts.data(), rows * top_k, routing.experts.data(), queue_->stream());
  to_host(scratch.weights.data(), rows * top_k, routing.weights.data(), queue_->stream());
  queue_->wait();
}

void CudaBackend::add(const Activation& y, int64_t rows, Activation& x) {
  queue_->add(AddOp{on_gpu(x).row(0), rows * x.cols(), on_gpu(y).row(0)});
}

void CudaBackend::read(const Activation& x, int64_t first, int64_t rows, std::span<float> host) {
  queue_->flush();
  const float* from = on_gpu(x).row(first);
  const int64_t count = rows * x.cols();
  for (int64_t done = 0; done < count; done += kStaging) {
    const int64_t part = std::min(kStaging, count - done);
    to_host(from + done, part, staging_.data(), queue_->stream());
    queue_->wait();
    std::memcpy(host.data() + done, staging_.data(), static_cast<size_t>(part) * sizeof(float));
  }
}

void CudaBackend::write(std::span<const float> host, int64_t rows, Activation& x) {
  queue_->flush();
  to_device(host.data(), rows * x.cols(), on_gpu(x).row(0), queue_->stream());
  queue_->wait();
}

}  // namespace octavo::cuda
