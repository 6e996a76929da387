// The forward pass, written once over the op interface.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "model/config.h"
#include "model/weights.h"

namespace octavo {

struct TransformerOptions {
  int64_t context = 0;   ///< positions; 0: the model's
  int64_t chunk = 1024;  ///< tokens computed at once in prefill
  int threads = 0;       ///< 0: as many as the processors
  KvType kv_type = KvType::kF16;
};

/// Positions of a context: more than fits any memory, and few enough to count bytes with.
inline constexpr int64_t kMostPositions = int64_t{1} << 30;

/// Which logits a forward pass is for.
enum class Logits { kNone, kLast, kAll };

/// One sequence: the KV cache, the activations and the position. Not safe for two threads at once.
class Transformer {
 public:
  Transformer(const ModelConfig& config, std::shared_ptr<const ModelWeights> weights,
              Device& device, const TransformerOptions& options);

  /// Called for each layer of each chunk: (layer, first position, routing). Tests and traces.
  using RoutingObserver = std::function<void(int64_t, int64_t, const Routing&)>;
  /// Called with logits: (row in ids, rows, values [rows, vocab]).
  using LogitsSink = std::function<void(int64_t, int64_t, std::span<const float>)>;

  /// Throws Error(kOutOfRange) when ids do not fit the context and Error(kInvalidArgument) for ids
  /// outside the vocabulary.
  void check(std::span<const int32_t> ids) const;
  void check_vocabulary(std::span<const int32_t> ids) const;
  /// Feeds ids at the current position, chunk by chunk; checks them before anything is computed.
  /// False: a stop was asked for; the chunk at work is dropped, and what came before it stays.
  bool forward(std::span<const int32_t> ids, Logits want, const LogitsSink& sink);

  int64_t position() const { return position_; }
  int64_t context() const { return context_; }
  int64_t chunk() const { return chunk_; }
  int64_t kv_bytes() const { return cache_->bytes(); }
  /// Forgets everything from `position` on. Throws Error(kInvalidArgument) unless can_rewind().
  void rewind(int64_t position);
  /// Within 0..position(), and no further back than a window's ring still has the keys, or to 0.
  bool can_rewind(int64_t position) const;
  /// Drops positions [keep, keep + count); what comes after moves up, its keys rotated to where it
  /// now is. With a window less than all that is seen must be dropped: position() - count of at
  /// least keep + window, or keep 0.
  void drop(int64_t keep, int64_t count);
  /// Takes over position, keys and values of `other`, which are copied only where one of the two
  /// writes. Both have the same model, context and cache type.
  void share(const Transformer& other);

  const KvCache& cache() const { return *cache_; }
  KvCache& cache() { return *cache_; }
  /// The caller has written positions [oldest, position) of cache().
  void restore(int64_t oldest, int64_t position);
  /// First position whose keys a token at `position` sees.
  int64_t first_seen(int64_t position) const;
  /// First position of those that are to be kept: one more than the next token sees, so that the
  /// last can be computed again.
  int64_t held_from() const;
  void observe_routing(RoutingObserver observer) { observer_ = std::move(observer); }
  /// Looked at between the halves of each layer; it must outlive the transformer.
  void stop_when(const std::atomic<bool>& asked) { stop_ = &asked; }
  bool is_observed() const { return observer_ != nullptr; }

  /// Rows that a pass from here may have so that each gets the bits that it would get alone, and
  /// rewind() can afterwards forget all but the first.
  int64_t independent_rows() const;
  /// From now on the mixtures of a pass are looked at for experts_touched().
  void count_experts() { counts_experts_ = true; }
  /// Experts that the last chunk computed with, summed over the layers; 0 for a dense model.
  int64_t experts_touched() const { return experts_touched_; }

 private:
  bool forward_chunk(std::span<const int32_t> ids);
  /// All layers; false: stopped within.
  bool run_layers(std::span<const int32_t> ids);
  void attend(const LayerWeights& w, int64_t layer, int64_t rows);
  void feed_forward(const LayerWeights& w, int64_t layer, int64_t rows);
  bool is_stopped() const { return stop_ != nullptr && stop_->load(std::memory_order_relaxed); }
  /// Puts the cache back to where it was before a chunk of `rows` was begun.
  void drop_chunk(KvCachePtr before, int64_t rows);
  /// The cache as it is now if `rows` more tokens overwrite what is to be kept; otherwise null.
  KvCachePtr keep_for(int64_t rows) const;
  void read_logits(int64_t chunk_first, int64_t first, int64_t rows, const LogitsSink& sink);

  const ModelConfig config_;
  std::shared_ptr<const ModelWeights> weights_;
  int64_t context_, chunk_, position_ = 0;
  int64_t oldest_ = 0;  // position whose keys the cache still has
  std::unique_ptr<Backend> backend_;
  KvCachePtr cache_;
  ActivationPtr x_, normed_, q_, k_, v_, attended_, delta_, logits_;
  std::unique_ptr<float[]> host_logits_;  // [logits_->capacity(), vocab]
  Routing routing_;
  RoutingObserver observer_;
  const std::atomic<bool>* stop_ = nullptr;
  bool counts_experts_ = false;
  int64_t experts_touched_ = 0;
};

}  // namespace octavo
