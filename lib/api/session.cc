#include "api/session_impl.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "core/error.h"
#include "core/parallel.h"

namespace octavo {
namespace {

KvType kv_type(CacheType option, const std::string& format) {
  for (const NamedCacheType& type : kCacheTypes) {
    if (type.option == option) return type.type;
  }
  return format == "f32" ? KvType::kF32 : KvType::kF16;
}

/// Throws Error(kInvalidArgument) for what makes no sense.
SessionOptions checked(const SessionOptions& options) {
  if (options.context < 0 || options.context > kMostPositions) {
    fail(ErrorCode::kInvalidArgument, "the context must be 0 (the model's own) to {} tokens",
         kMostPositions);
  }
  if (options.chunk < 1) fail(ErrorCode::kInvalidArgument, "the chunk must be 1 or more tokens");
  return options;
}

/// `values` [rows, columns] row by row.
template <class Value>
std::span<const Value> row_of(const std::vector<Value>& values, int64_t row, int64_t columns) {
  return std::span(values).subspan(static_cast<size_t>(row * columns),
                                   static_cast<size_t>(columns));
}

}  // namespace

std::string_view cache_type_name(KvType type) {
  for (const NamedCacheType& known : kCacheTypes) {
    if (known.type == type) return known.name;
  }
  return "";
}

Session::Impl::Impl(const Model& opened, const SessionOptions& wanted)
    : model(opened),
      options(checked(wanted)),
      threads(resolve_threads(wanted.threads)),
      profiled(*opened.impl()->device, record),
      transformer(opened.impl()->config, opened.impl()->weights,
                  wanted.profile ? static_cast<Device&>(profiled) : *opened.impl()->device,
                  {.context = wanted.context,
                   .chunk = wanted.chunk,
                   .threads = threads,
                   .kv_type = kv_type(wanted.cache, opened.info().format)}),
      lookahead(opened.info(), transformer.independent_rows()),
      logits(static_cast<size_t>(opened.info().vocab)) {
  transformer.stop_when(cancelled);
  if (transformer.independent_rows() > 1) transformer.count_experts();
  if (!wanted.context_shift) return;
  if (wanted.keep < 0 || wanted.keep > transformer.context() - 2) {
    fail(ErrorCode::kInvalidArgument,
         "a context of {} cannot be shifted with {} tokens kept from its start; keep 0 to {}",
         transformer.context(), wanted.keep, std::max<int64_t>(0, transformer.context() - 2));
  }
}

void Session::Impl::Computed::require_all() const {
  if (!all()) fail(ErrorCode::kCancelled, "stopped after {} of {} tokens", done, total);
}

void Session::Impl::check(std::span<const int32_t> ids, int64_t free) const {
  if (ids.empty()) fail(ErrorCode::kInvalidArgument, "there are no tokens to feed");
  if (!options.context_shift && static_cast<int64_t>(ids.size()) > free) {
    fail(ErrorCode::kOutOfRange, "{} tokens do not fit: the context of {} has room for {}",
         ids.size(), transformer.context(), free);
  }
  transformer.check_vocabulary(ids);
}

bool Session::Impl::advance_chunk(std::span<const int32_t> chunk, int64_t begin, Logits want,
                                  int64_t first, const Sink& sink) {
  const auto vocab = static_cast<size_t>(model.info().vocab);
  const auto on_logits = [&](int64_t at, int64_t rows, std::span<const float> values) {
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t index = begin + at + row;
      const auto of_row = values.subspan(static_cast<size_t>(row) * vocab, vocab);
      if (at + row + 1 == static_cast<int64_t>(chunk.size())) {
        std::copy(of_row.begin(), of_row.end(), logits.begin());
      }
      if (sink && index >= first) sink(index, of_row);
    }
  };
  tokens.insert(tokens.end(), chunk.begin(), chunk.end());
  bool is_computed = false;
  try {
    is_computed = transformer.forward(chunk, want, on_logits);
  } catch (...) {  // what the caller's functions threw
    tokens.resize(static_cast<size_t>(transformer.position()));
    throw;
  }
  if (!is_computed) tokens.resize(static_cast<size_t>(transformer.position()));
  return is_computed;
}

Session::Impl::Computed Session::Impl::advance(std::span<const int32_t> ids, int64_t first,
                                               const Sink& sink) {
  settle();
  // tokens() may be what is fed; it moves when it grows.
  const std::less<const int32_t*> before;
  const bool is_own =
      !before(ids.data(), tokens.data()) && before(ids.data(), tokens.data() + tokens.size());
  const std::vector<int32_t> copy(ids.begin(), is_own ? ids.end() : ids.begin());
  if (is_own) ids = copy;
  Computed computed = {0, static_cast<int64_t>(ids.size())};
  const int64_t begin = transformer.position();
  const bool were_known = std::exchange(logits_known, false);
  while (!computed.all()) {
    if (room() == 0) shift_context();
    const int64_t count = std::min({transformer.chunk(), computed.total - computed.done, room()});
    const bool is_last = computed.done + count == computed.total;
    const bool all = sink && computed.done + count > first;
    const auto chunk = ids.subspan(static_cast<size_t>(computed.done), static_cast<size_t>(count));
    const bool is_computed = advance_chunk(chunk, computed.done,
                                           all       ? Logits::kAll
                                           : is_last ? Logits::kLast
                                                     : Logits::kNone,
                                           first, sink);
    if (!is_computed) {
      logits_known = were_known && computed.done == 0 && transformer.position() == begin;
      break;
    }
    computed.done += count;
    logits_known = is_last;
    if (progress && !progress(computed.done, computed.total)) break;
  }
  return computed;
}

Session::Impl::Computed Session::Impl::feed(std::span<const int32_t> ids) {
  check(ids, room());
  return advance(ids, 0, {});
}

Session::Impl::Computed Session::Impl::prompt(std::span<const int32_t> ids) {
  check(ids, transformer.context());
  settle();
  const auto differ = std::mismatch(tokens.begin(), tokens.end(), ids.begin(), ids.end());
  auto common = static_cast<int64_t>(differ.first - tokens.begin());
  const auto count = static_cast<int64_t>(ids.size());
  const bool complete = common == count && common == position() && logits_known;
  // Without its logits the last token is computed again.
  if (!complete) common = std::min(common, count - 1);
  if (!transformer.can_rewind(common)) common = 0;
  reused = common;
  if (complete) return {};
  const std::vector<int32_t> rest(ids.begin() + common, ids.end());  // rewind() shortens our own
  rewind(common);
  return advance(rest, 0, {});
}

void Session::Impl::shift_context() {
  const int64_t full = transformer.position(), window = transformer.cache().shape().window;
  int64_t keep = options.keep, dropped = (full - keep) / 2;
  if (window > 0) {
    // Only the window's keys are there to move, and the next token sees all of them. Where the
    // context is hardly longer than the window, what it begins with is given up instead.
    const int64_t most = full - keep - window + 1;
    if (most >= dropped / 2) {
      dropped = std::min(dropped, most);
    } else {
      keep = 0;
      dropped = full / 2;
    }
  }
  dropped = std::max<int64_t>(1, dropped);
  transformer.drop(keep, dropped);
  tokens.erase(tokens.begin() + keep, tokens.begin() + keep + dropped);
}

void Session::Impl::rewind(int64_t position) {
  settle();
  if (position == transformer.position()) return;
  transformer.rewind(position);
  tokens.resize(static_cast<size_t>(position));
  logits_known = false;
}

Session::Session(const Model& model, const SessionOptions& options)
    : impl_(std::make_unique<Impl>(model, options)) {}
Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

const Model& Session::model() const { return impl_->model; }
int64_t Session::position() const { return impl_->position(); }
int64_t Session::context() const { return impl_->transformer.context(); }
int Session::threads() const { return impl_->threads; }
int64_t Session::cache_bytes() const { return impl_->transformer.kv_bytes(); }
bool Session::shifts_context() const { return impl_->options.context_shift; }
std::span<const int32_t> Session::tokens() const { return impl_->tokens; }
int64_t Session::reused() const { return impl_->reused; }
void Session::reset() { impl_->rewind(0); }
void Session::rewind(int64_t position) { impl_->rewind(position); }

void Session::on_progress(std::function<bool(int64_t, int64_t)> callback) {
  impl_->progress = std::move(callback);
}

void Session::cancel() noexcept { impl_->cancelled = true; }

CacheType Session::cache_type() const {
  const KvType kept = impl_->transformer.cache().shape().type;
  return std::find_if(kCacheTypes.begin(), kCacheTypes.end(),
                      [kept](const NamedCacheType& known) { return known.type == kept; })
      ->option;
}

std::span<const float> Session::feed(std::span<const int32_t> ids) {
  const Impl::Call call(*impl_);
  impl_->feed(ids).require_all();
  return impl_->logits;
}

void Session::evaluate(std::span<const int32_t> ids, int64_t first,
                       const std::function<void(int64_t, std::span<const float>)>& sink) {
  const Impl::Call call(*impl_);
  impl_->check(ids, impl_->room());
  const auto count = static_cast<int64_t>(ids.size());
  if (first < 0 || first >= count) {
    fail(ErrorCode::kInvalidArgument, "logits asked for from token {} of {}", first, count);
  }
  impl_->advance(ids, first, sink).require_all();
}

std::span<const float> Session::prompt(std::span<const int32_t> ids) {
  const Impl::Call call(*impl_);
  impl_->prompt(ids).require_all();
  return impl_->logits;
}

Session Session::fork() const {
  impl_->settle();
  auto impl = std::make_unique<Impl>(impl_->model, impl_->options);
  impl->transformer.share(impl_->transformer);
  impl->tokens = impl_->tokens;
  impl->logits = impl_->logits;
  impl->logits_known = impl_->logits_known;
  return Session(std::move(impl));
}

void Session::trace_routing(std::function<void(const RoutedToken&)> observer) {
  if (!observer) {
    impl_->transformer.observe_routing({});
    return;
  }
  const int64_t experts = impl_->model.info().experts;
  const int64_t top_k = impl_->model.info().experts_per_token;
  impl_->transformer.observe_routing([experts, top_k, observer = std::move(observer)](
                                         int64_t layer, int64_t position, const Routing& routing) {
    for (int64_t row = 0; row < routing.rows; ++row) {
      observer({layer, position + row, row_of(routing.experts, row, top_k),
                row_of(routing.weights, row, top_k), row_of(routing.logits, row, experts)});
    }
  });
}

std::vector<OpProfile> Session::profile() const {
  std::vector<OpProfile> result;
  for (size_t op = 0; op < kOps; ++op) {
    const OpTotals& totals = impl_->record[op];
    if (totals.calls == 0) continue;
    result.push_back({std::string(op_name(static_cast<Op>(op))), totals.calls, totals.seconds,
                      totals.bytes, totals.operations});
  }
  return result;
}

void Session::reset_profile() { impl_->record = {}; }

}  // namespace octavo
