// Saving a session to a file and restoring it.
#include <algorithm>

#include "api/session_impl.h"
#include "core/error.h"
#include "io/session_file.h"

namespace octavo {
namespace {

/// Positions that are copied at a time.
constexpr int64_t kCopied = 256;

/// The options that a session is restored with: kAuto is whatever the file has.
SessionOptions options_for(const SessionContent& content, SessionOptions options,
                           const std::string& path) {
  if (options.cache != CacheType::kAuto) return options;
  for (const NamedCacheType& type : kCacheTypes) {
    options.cache = type.option;
    if (type.name == content.cache_type) return options;
  }
  fail(ErrorCode::kUnsupported, "{}: this build knows no keys and values in {}", path,
       content.cache_type);
}

void check_model(const SessionContent& content, const Model::Impl& model, const std::string& path) {
  const ModelDirectory& directory = model.file.directory();
  if (content.identity != model_identity(directory)) {
    const std::string line = model_summary_line(directory);
    fail(ErrorCode::kInvalidArgument,
         "{} is a session of {} ({}), but {} is {}{}; use the model it was made with, or another "
         "session file",
         path, content.model, content.identity.substr(0, 8), model.file.path(), line,
         line == content.model ? " with other weights" : "");
  }
  const ModelConfig& config = model.config;
  if (content.window != config.window) {
    fail(ErrorCode::kInvalidArgument,
         "{} was made with a sliding window of {}, this model has {} (0: none); use the same", path,
         content.window, config.window);
  }
  if (content.rope_theta != config.rope_theta) {
    fail(ErrorCode::kInvalidArgument, "{} was made with a rope_theta of {}, this model has {}",
         path, content.rope_theta, config.rope_theta);
  }
}

void check_cache(const SessionContent& content, const Transformer& transformer, int64_t vocab,
                 const std::string& path) {
  const KvShape& shape = transformer.cache().shape();
  if (content.cache_type != cache_type_name(shape.type)) {
    fail(ErrorCode::kInvalidArgument,
         "{} keeps keys and values in {}, this session in {}; ask for {}, or for another session "
         "file",
         path, content.cache_type, cache_type_name(shape.type), content.cache_type);
  }
  const auto count = static_cast<int64_t>(content.tokens.size());
  if (count > transformer.context()) {
    fail(ErrorCode::kOutOfRange,
         "{} holds {} tokens, more than the context of {}; ask for a larger context", path, count,
         transformer.context());
  }
  const bool is_known = std::all_of(content.tokens.begin(), content.tokens.end(),
                                    [vocab](int32_t id) { return id >= 0 && id < vocab; });
  const bool fits =
      content.layers == shape.layers && content.entry_bytes == kv_entry_bytes(shape) &&
      content.first <= transformer.first_seen(count) &&
      (content.logits.empty() || static_cast<int64_t>(content.logits.size()) == vocab);
  if (!is_known || !fits) {
    fail(ErrorCode::kFormat, "{}: its tokens, keys or values are not this model's", path);
  }
}

}  // namespace

void Session::save(const std::string& path) const {
  impl_->settle();
  const Transformer& transformer = impl_->transformer;
  const KvCache& cache = transformer.cache();
  const ModelFile& file = impl_->model.impl()->file;
  SessionContent content = {.identity = model_identity(file.directory()),
                            .model = model_summary_line(file.directory()),
                            .cache_type = std::string(cache_type_name(cache.shape().type)),
                            .layers = cache.shape().layers,
                            .entry_bytes = kv_entry_bytes(cache.shape()),
                            .window = impl_->model.impl()->config.window,
                            .rope_theta = impl_->model.impl()->config.rope_theta,
                            .first = transformer.held_from(),
                            .tokens = impl_->tokens,
                            .logits = {}};
  if (impl_->logits_known) content.logits = impl_->logits;
  SessionWriter writer(path, content);
  std::vector<std::byte> buffer(static_cast<size_t>(kCopied * content.entry_bytes));
  for (int64_t layer = 0; layer < content.layers; ++layer) {
    for (int64_t first = content.first; first < position(); first += kCopied) {
      const int64_t count = std::min(kCopied, position() - first);
      const auto entries =
          std::span(buffer).first(static_cast<size_t>(count * content.entry_bytes));
      cache.read(layer, first, count, entries);
      writer.append(entries);
    }
  }
  writer.finish();
}

Session Session::restore(const Model& model, const std::string& path,
                         const SessionOptions& options) {
  const SessionFile file(path);
  const SessionContent& content = file.content();
  check_model(content, *model.impl(), path);
  Session session(model, options_for(content, options, path));
  Impl& impl = *session.impl_;
  check_cache(content, impl.transformer, model.info().vocab, path);
  for (int64_t layer = 0; layer < content.layers; ++layer) {
    for (int64_t first = 0; first < content.positions(); first += kCopied) {
      const int64_t count = std::min(kCopied, content.positions() - first);
      impl.transformer.cache().write(layer, content.first + first, count,
                                     file.entries(layer, first, count));
    }
  }
  impl.tokens = content.tokens;
  impl.transformer.restore(content.first, static_cast<int64_t>(content.tokens.size()));
  if (!content.logits.empty()) impl.logits = content.logits;
  impl.logits_known = !content.logits.empty();
  return session;
}

}  // namespace octavo
