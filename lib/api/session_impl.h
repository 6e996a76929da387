// What a Session is made of.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "api/lookahead.h"
#include "api/model_impl.h"
#include "backend/profiled_backend.h"
#include "model/transformer.h"
#include "octavo/octavo.hpp"

namespace octavo {

struct Session::Impl {
  Impl(const Model& opened, const SessionOptions& wanted);

  using Sink = std::function<void(int64_t, std::span<const float>)>;

  /// How far a call came: not to its end when it was cancelled.
  struct Computed {
    int64_t done = 0, total = 0;
    bool all() const { return done == total; }
    /// Throws Error(kCancelled) unless all was computed.
    void require_all() const;
  };

  /// The time of a call that computes. cancel() has an effect within it alone.
  class Call {
   public:
    explicit Call(Impl& impl) : impl_(impl), is_inner_(impl.at_work) {
      impl.at_work = true;
      if (!is_inner_) impl.cancelled = false;
    }
    ~Call() { impl_.at_work = is_inner_; }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

   private:
    Impl& impl_;
    const bool is_inner_;  ///< made by a callback of another call
  };

  /// As the functions of Session, within a Call; the logits are in `logits`.
  Computed feed(std::span<const int32_t> ids);
  Computed prompt(std::span<const int32_t> ids);
  /// As feed of one token, bit by bit, in generate: tokens that may come next are computed along,
  /// or `id` was itself. `wanted`: tokens still to be chosen.
  Computed feed_next(int32_t id, int64_t wanted);
  /// The token ids[0], and what may follow it.
  Computed compute_ahead(std::span<const int32_t> ids);
  /// Takes back what was computed ahead: the transformer then holds `tokens`.
  void settle();

  /// Before anything is computed, so that a refused call leaves the session as it was. `room`:
  /// positions that are free.
  void check(std::span<const int32_t> ids, int64_t room) const;
  /// Computes `ids`, which are checked, chunk by chunk, and keeps the logits after the last. `sink`
  /// (it may be empty) hears of those from index `first` on.
  Computed advance(std::span<const int32_t> ids, int64_t first, const Sink& sink);
  /// One chunk of them, from index `begin` on; false: it was cancelled, and dropped.
  bool advance_chunk(std::span<const int32_t> chunk, int64_t begin, Logits want, int64_t first,
                     const Sink& sink);
  /// Room for more, when the context is full.
  void shift_context();
  void rewind(int64_t position);
  int64_t position() const { return static_cast<int64_t>(tokens.size()); }
  int64_t room() const { return transformer.context() - position(); }

  const Model model;
  const SessionOptions options;
  const int threads;        ///< that compute
  OpRecord record;          ///< stays empty unless the transformer runs on `profiled`
  ProfiledDevice profiled;  ///< the model's device, with an eye on it
  Transformer transformer;
  Lookahead lookahead;
  std::vector<int32_t> tokens;  ///< of which the transformer is ahead by what lookahead planned
  std::vector<float> logits;    ///< [vocab] after the last token, when they are known
  bool logits_known = false;
  int64_t reused = 0;
  std::function<bool(int64_t, int64_t)> progress;
  std::atomic<bool> cancelled = false;  ///< set by any thread, also by signal handlers
  bool at_work = false;
};
static_assert(std::atomic<bool>::is_always_lock_free);

/// A cache type as the options, the backend and a session file have it.
struct NamedCacheType {
  CacheType option;
  KvType type;
  std::string_view name;
};
inline constexpr std::array kCacheTypes = {
    NamedCacheType{CacheType::kF32, KvType::kF32, "f32"},
    NamedCacheType{CacheType::kF16, KvType::kF16, "f16"},
    NamedCacheType{CacheType::kBF16, KvType::kBF16, "bf16"},
    NamedCacheType{CacheType::kQ8_0, KvType::kQ8_0, "q8_0"},
};
std::string_view cache_type_name(KvType type);

}  // namespace octavo
