#include "api/model_impl.h"
#include "backend/profiled_backend.h"
#include "core/error.h"
#include "model/transformer.h"

namespace octavo {
namespace {

KvType kv_type(CacheType type, const std::string& format) {
  switch (type) {
    case CacheType::kF32:
      return KvType::kF32;
    case CacheType::kF16:
      return KvType::kF16;
    case CacheType::kBF16:
      return KvType::kBF16;
    case CacheType::kQ8_0:
      return KvType::kQ8_0;
    case CacheType::kAuto:
      break;
  }
  return format == "f32" ? KvType::kF32 : KvType::kF16;
}

TransformerOptions transformer_options(const SessionOptions& options, const ModelInfo& info) {
  if (options.context < 0) fail(ErrorCode::kInvalidArgument, "the context must not be negative");
  if (options.chunk < 1) fail(ErrorCode::kInvalidArgument, "the chunk must be 1 or more tokens");
  if (options.threads < 0) fail(ErrorCode::kInvalidArgument, "threads must not be negative");
  TransformerOptions result;
  result.context = options.context;
  result.chunk = options.chunk;
  result.threads = options.threads;
  result.kv_type = kv_type(options.cache, info.format);
  return result;
}

/// `values` [rows, columns] row by row.
template <class Value>
std::span<const Value> row_of(const std::vector<Value>& values, int64_t row, int64_t columns) {
  return std::span(values).subspan(static_cast<size_t>(row * columns),
                                   static_cast<size_t>(columns));
}

}  // namespace

struct Session::Impl {
  Impl(const Model& opened, const SessionOptions& options)
      : model(opened),
        profiled(*opened.impl()->device, record),
        transformer(opened.impl()->file.config(), opened.impl()->weights,
                    options.profile ? static_cast<Device&>(profiled) : *opened.impl()->device,
                    transformer_options(options, opened.info())),
        logits(static_cast<size_t>(opened.info().vocab)) {}

  /// Before anything is computed, so that a refused call leaves the session as it was.
  void check(std::span<const int32_t> ids) const {
    if (ids.empty()) fail(ErrorCode::kInvalidArgument, "there are no tokens to feed");
    transformer.check(ids);
  }

  const Model model;
  OpRecord record;          ///< stays empty unless the transformer runs on `profiled`
  ProfiledDevice profiled;  ///< the model's device, with an eye on it
  Transformer transformer;
  std::vector<float> logits;  ///< [vocab], of the last feed
};

Session::Session(const Model& model, const SessionOptions& options)
    : impl_(std::make_unique<Impl>(model, options)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

const Model& Session::model() const { return impl_->model; }
int64_t Session::position() const { return impl_->transformer.position(); }
int64_t Session::context() const { return impl_->transformer.context(); }
int64_t Session::cache_bytes() const { return impl_->transformer.kv_bytes(); }
void Session::reset() { impl_->transformer.rewind(0); }

std::span<const float> Session::feed(std::span<const int32_t> ids) {
  impl_->check(ids);
  std::vector<float>& kept = impl_->logits;
  impl_->transformer.forward(ids, Logits::kLast,
                             [&kept](int64_t, int64_t, std::span<const float> values) {
                               kept.assign(values.begin(), values.end());
                             });
  return kept;
}

void Session::evaluate(std::span<const int32_t> ids, int64_t first,
                       const std::function<void(int64_t, std::span<const float>)>& sink) {
  impl_->check(ids);
  const int64_t count = static_cast<int64_t>(ids.size());
  if (first < 0 || first >= count) {
    fail(ErrorCode::kInvalidArgument, "logits asked for from token {} of {}", first, count);
  }
  // Whole chunks before `first` need no logits; cutting inside a chunk would cost more than it
  // saves.
  const int64_t skipped = first - first % impl_->transformer.chunk();
  const auto head = ids.first(static_cast<size_t>(skipped));
  if (!head.empty()) impl_->transformer.forward(head, Logits::kNone, {});
  const int64_t vocab = impl_->model.info().vocab;
  impl_->transformer.forward(ids.subspan(static_cast<size_t>(skipped)), Logits::kAll,
                             [&](int64_t begin, int64_t rows, std::span<const float> values) {
                               for (int64_t row = 0; row < rows; ++row) {
                                 const int64_t index = skipped + begin + row;
                                 const auto logits = values.subspan(
                                     static_cast<size_t>(row * vocab), static_cast<size_t>(vocab));
                                 if (index >= first) sink(index, logits);
                               }
                             });
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
