#include "api/model_impl.h"
#include "core/error.h"
#include "text/piece_stream.h"

namespace octavo {
namespace {

ModelConfig with_window(ModelConfig config, const ModelOptions& options) {
  if (options.window) set_window(config, *options.window);
  return config;
}

ModelInfo describe(const ModelFile& file, const ModelConfig& config, const Device& device,
                   bool has_tokenizer) {
  ModelInfo info;
  info.architecture = config.architecture;
  info.format = file.directory().requested_format;
  info.device = device.description();
  info.dim = config.dim;
  info.layers = config.layers;
  info.heads = config.heads;
  info.kv_heads = config.kv_heads;
  info.head_dim = config.head_dim;
  info.ffn_dim = config.ffn_dim;
  info.experts = config.experts;
  info.experts_per_token = config.experts_per_token;
  info.vocab = config.vocab;
  info.context = config.context;
  info.window = config.window;
  info.bos = config.bos;
  info.eos = config.eos;
  info.has_tokenizer = has_tokenizer;
  return info;
}

}  // namespace

Model::Impl::Impl(const std::string& path, const ModelOptions& options)
    : file(path),
      config(with_window(file.config(), options)),
      device(
          make_device(options.device, {options.gpu_layers, options.experts_on_cpu}, config.layers)),
      weights(std::make_shared<const ModelWeights>(load_weights(file, *device, options.on_load))),
      tokenizer(make_tokenizer(file.directory().tokenizer, path)),
      tries(tokenizer ? std::make_unique<const TokenTries>(*tokenizer) : nullptr),
      info(describe(file, config, *device, tokenizer != nullptr)) {
  if (tokenizer && tokenizer->size() > info.vocab) {
    fail(ErrorCode::kFormat,
         "{}: the tokenizer has {} pieces but the model only {}; it belongs to another model", path,
         tokenizer->size(), info.vocab);
  }
}

const Tokenizer& Model::Impl::require_tokenizer() const {
  if (tokenizer) return *tokenizer;
  if (file.directory().tokenizer.empty()) {
    fail(ErrorCode::kUnsupported,
         "{} has no tokenizer; put tokenizer.model beside the weights and convert again",
         file.path());
  }
  fail(ErrorCode::kUnsupported, "this build of octavo has no SentencePiece, so it knows no text");
}

Model Model::open(const std::string& path, const ModelOptions& options) {
  Model model;
  model.impl_ = std::make_shared<const Impl>(path, options);
  return model;
}

const ModelInfo& Model::info() const { return impl_->info; }

std::vector<int32_t> Model::tokenize(std::string_view text, bool bos) const {
  std::vector<int32_t> ids = impl_->require_tokenizer().encode(text);
  if (bos && impl_->info.bos >= 0) ids.insert(ids.begin(), impl_->info.bos);
  return ids;
}

std::string Model::detokenize(std::span<const int32_t> ids) const {
  TextStream stream(*this);
  std::string text;
  for (const int32_t id : ids) text += stream.add(id);
  return text + stream.finish();
}

std::string Model::piece(int32_t id) const {
  const Tokenizer& tokenizer = impl_->require_tokenizer();
  if (id < 0 || id >= impl_->info.vocab) {
    fail(ErrorCode::kInvalidArgument, "id {} is outside the vocabulary of {}", id,
         impl_->info.vocab);
  }
  return id < tokenizer.size() ? tokenizer.piece(id).name : "";
}

const std::string& Model::chat_template() const { return impl_->file.directory().chat_template; }

struct TextStream::Impl {
  explicit Impl(const Model& opened)
      : model(opened.impl()), vocab(model->info.vocab), pieces(model->require_tokenizer()) {}

  std::shared_ptr<const Model::Impl> model;
  int64_t vocab;  ///< at least the tokenizer's, which may be padded
  PieceStream pieces;
};

TextStream::TextStream(const Model& model, std::span<const int32_t> before)
    : impl_(std::make_unique<Impl>(model)) {
  for (const int32_t id : before) add(id);
}
TextStream::~TextStream() = default;
TextStream::TextStream(TextStream&&) noexcept = default;
TextStream& TextStream::operator=(TextStream&&) noexcept = default;

std::string TextStream::add(int32_t id) {
  if (id < 0 || id >= impl_->vocab) {
    fail(ErrorCode::kInvalidArgument, "id {} is outside the vocabulary of {}", id, impl_->vocab);
  }
  return impl_->pieces.add(id);
}

std::string TextStream::finish() { return impl_->pieces.finish(); }

}  // namespace octavo
