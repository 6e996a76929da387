#include "model/transformer.h"

#include <algorithm>

#include "core/error.h"

namespace octavo {
namespace {

/// Rows of logits computed at once when all are wanted: bounds [rows, vocab].
constexpr int64_t kLogitRows = 64;

BackendLimits limits_for(const ModelConfig& c, const TransformerOptions& options, int64_t context,
                         int64_t chunk) {
  return {.rows = chunk,
          .cols = std::max(c.dim, c.heads * c.head_dim),
          .ffn_dim = c.ffn_dim,
          .heads = c.heads,
          .experts = std::max<int64_t>(c.experts, 1),
          .top_k = std::max<int64_t>(c.experts_per_token, 1),
          .context = context,
          .threads = options.threads};
}

int64_t distinct_experts(const Routing& routing, int64_t experts) {
  std::vector<bool> chosen(static_cast<size_t>(experts));
  for (const int32_t expert : routing.experts) chosen[static_cast<size_t>(expert)] = true;
  return std::count(chosen.begin(), chosen.end(), true);
}

}  // namespace

Transformer::Transformer(const ModelConfig& config, std::shared_ptr<const ModelWeights> weights,
                         Device& device, const TransformerOptions& options)
    : config_(config),
      weights_(std::move(weights)),
      context_(options.context > 0 ? options.context : config.context),
      chunk_(std::min(std::max<int64_t>(options.chunk, 1), context_)) {
  const ModelConfig& c = config_;
  const int64_t q_dim = c.heads * c.head_dim, kv_dim = c.kv_heads * c.head_dim;
  backend_ = device.backend(limits_for(c, options, context_, chunk_));
  cache_ =
      backend_->kv_cache({c.layers, c.kv_heads, c.head_dim, context_, c.window, options.kv_type});
  x_ = backend_->activation(chunk_, c.dim);
  normed_ = backend_->activation(chunk_, c.dim);
  delta_ = backend_->activation(chunk_, c.dim);
  q_ = backend_->activation(chunk_, q_dim);
  k_ = backend_->activation(chunk_, kv_dim);
  v_ = backend_->activation(chunk_, kv_dim);
  attended_ = backend_->activation(chunk_, q_dim);
  logits_ = backend_->activation(std::min(chunk_, kLogitRows), c.vocab);
  // Not touched before it is needed: forks are cheap.
  host_logits_ =
      std::make_unique_for_overwrite<float[]>(static_cast<size_t>(logits_->capacity() * c.vocab));
}

void Transformer::check(std::span<const int32_t> ids) const {
  const auto count = static_cast<int64_t>(ids.size());
  const int64_t room = context_ - position_;
  if (count > room) {
    fail(ErrorCode::kOutOfRange, "{} tokens do not fit: the context of {} has room for {}", count,
         context_, room);
  }
  check_vocabulary(ids);
}

void Transformer::check_vocabulary(std::span<const int32_t> ids) const {
  for (const int32_t id : ids) {
    if (id < 0 || id >= config_.vocab) {
      fail(ErrorCode::kInvalidArgument, "token {} is outside the vocabulary of {}", id,
           config_.vocab);
    }
  }
}

bool Transformer::forward(std::span<const int32_t> ids, Logits want, const LogitsSink& sink) {
  check(ids);
  const auto count = static_cast<int64_t>(ids.size());
  for (int64_t first = 0; first < count; first += chunk_) {
    const int64_t rows = std::min(chunk_, count - first);
    if (!forward_chunk(ids.subspan(first, rows))) return false;
    const bool last = first + rows == count;
    if (want == Logits::kAll) read_logits(first, 0, rows, sink);
    if (want == Logits::kLast && last) read_logits(first, rows - 1, 1, sink);
  }
  return true;
}

bool Transformer::forward_chunk(std::span<const int32_t> ids) {
  const auto rows = static_cast<int64_t>(ids.size());
  KvCachePtr before = keep_for(rows);
  try {
    if (!run_layers(ids)) {
      drop_chunk(std::move(before), rows);
      return false;
    }
  } catch (...) {  // what the observer threw
    drop_chunk(std::move(before), rows);
    throw;
  }
  position_ += rows;
  oldest_ = std::max(oldest_, position_ - cache_->capacity());
  return true;
}

// Layer by layer over one chunk of tokens.
bool Transformer::run_layers(std::span<const int32_t> ids) {
  const auto rows = static_cast<int64_t>(ids.size());
  experts_touched_ = 0;
  backend_->embed(*weights_->embedding, ids, *x_);
  for (int64_t i = 0; i < config_.layers; ++i) {
    const LayerWeights& w = weights_->layers[i];
    if (is_stopped()) return false;
    attend(w, i, rows);
    if (is_stopped()) return false;
    feed_forward(w, i, rows);
  }
  return true;
}

// norm, attention, add
void Transformer::attend(const LayerWeights& w, int64_t layer, int64_t rows) {
  const Projection qkv[] = {{w.wq.get(), q_.get()}, {w.wk.get(), k_.get()}, {w.wv.get(), v_.get()}};
  const Projection out[] = {{w.wo.get(), delta_.get()}};
  const AttentionShape shape = {config_.heads, config_.rope_theta};

  backend_->rmsnorm(*x_, rows, *w.attention_norm, static_cast<float>(config_.norm_eps), *normed_);
  backend_->matmul(*normed_, 0, rows, qkv);
  backend_->attention(*q_, *k_, *v_, rows, shape, *cache_, layer, position_, *attended_);
  backend_->matmul(*attended_, 0, rows, out);
  backend_->add(*delta_, rows, *x_);
}

// norm, experts, add
void Transformer::feed_forward(const LayerWeights& w, int64_t layer, int64_t rows) {
  backend_->rmsnorm(*x_, rows, *w.ffn_norm, static_cast<float>(config_.norm_eps), *normed_);
  if (w.router) {
    backend_->moe_ffn(*normed_, rows, *w.router, w.experts, config_.experts_per_token, *delta_,
                      observer_ || counts_experts_ ? &routing_ : nullptr);
    if (counts_experts_) experts_touched_ += distinct_experts(routing_, config_.experts);
    if (observer_) observer_(layer, position_, routing_);
  } else {
    backend_->ffn(*normed_, rows, w.experts.front(), *delta_);
  }
  backend_->add(*delta_, rows, *x_);
}

// Only a window's ring is overwritten, and by a few rows only what nobody sees any more. A fork
// copies no more than the pages that the chunk writes.
KvCachePtr Transformer::keep_for(int64_t rows) const {
  const int64_t window = cache_->shape().window, capacity = cache_->capacity();
  const bool is_overwritten = window > 0 && position_ + rows > capacity && rows > capacity - window;
  return is_overwritten ? cache_->fork() : nullptr;
}

void Transformer::drop_chunk(KvCachePtr before, int64_t rows) {
  if (before != nullptr) {
    cache_ = std::move(before);
  } else {
    oldest_ = std::max(oldest_, position_ + rows - cache_->capacity());
  }
}

void Transformer::read_logits(int64_t chunk_first, int64_t first, int64_t rows,
                              const LogitsSink& sink) {
  const Projection out[] = {{weights_->output.get(), logits_.get()}};
  backend_->rmsnorm(*x_, first + rows, *weights_->norm, static_cast<float>(config_.norm_eps),
                    *normed_);
  for (int64_t done = 0; done < rows;) {
    const int64_t step = std::min(rows - done, logits_->capacity());
    backend_->matmul(*normed_, first + done, step, out);
    const std::span<float> host(host_logits_.get(), step * config_.vocab);
    backend_->read(*logits_, 0, step, host);
    sink(chunk_first + first + done, step, host);
    done += step;
  }
}

void Transformer::rewind(int64_t position) {
  if (!can_rewind(position)) {
    fail(ErrorCode::kInvalidArgument, "cannot go back from position {} to {}{}", position_,
         position, position > 0 && position < position_ ? ": the window has moved on" : "");
  }
  position_ = position;
  if (position == 0) oldest_ = 0;
}

int64_t Transformer::first_seen(int64_t position) const {
  const int64_t window = cache_->shape().window;
  return window > 0 ? std::max<int64_t>(0, position - window + 1) : 0;
}

int64_t Transformer::held_from() const {
  const int64_t window = cache_->shape().window;
  return window > 0 ? std::max(oldest_, position_ - window) : 0;
}

int64_t Transformer::independent_rows() const {
  const int64_t rows = std::min({backend_->independent_rows(), chunk_, context_ - position_});
  const int64_t window = cache_->shape().window;
  // The keys that are to be kept behind the first, which the last must not take out.
  return window > 0 ? std::min(rows, cache_->capacity() - window + 1) : rows;
}

bool Transformer::can_rewind(int64_t position) const {
  if (position < 0 || position > position_) return false;
  return position == 0 || position == position_ || first_seen(position) >= oldest_;
}

void Transformer::drop(int64_t keep, int64_t count) {
  const int64_t first = std::max(held_from(), keep + count);
  backend_->shift(*cache_, first, position_, count, config_.rope_theta);
  position_ -= count;
  if (cache_->shape().window > 0) oldest_ = first - count;
}

void Transformer::share(const Transformer& other) {
  cache_ = other.cache_->fork();
  position_ = other.position_;
  oldest_ = other.oldest_;
}

void Transformer::restore(int64_t oldest, int64_t position) {
  oldest_ = oldest;
  position_ = position;
}

}  // namespace octavo
