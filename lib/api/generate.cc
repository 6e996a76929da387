#include <chrono>
#include <optional>

#include "api/model_impl.h"
#include "core/error.h"
#include "text/text_stream.h"

namespace octavo {
namespace {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Text of the generated tokens, which goes on where `before` and the prompt ended. A model without
/// a tokenizer has none.
class GeneratedText {
 public:
  GeneratedText(const Model& model, std::span<const int32_t> before,
                std::span<const int32_t> prompt) {
    const Tokenizer* tokenizer = model.impl()->tokenizer.get();
    if (tokenizer == nullptr) return;
    stream_.emplace(*tokenizer, true);
    for (const int32_t id : before) stream_->add(id);
    for (const int32_t id : prompt) stream_->add(id);
  }
  std::string add(int32_t id) { return stream_ ? stream_->add(id) : std::string(); }
  std::string finish() { return stream_ ? stream_->finish() : std::string(); }

 private:
  std::optional<TextStream> stream_;
};

void check_prompt(const Session& session, std::span<const int32_t> prompt, int64_t before) {
  if (prompt.empty()) fail(ErrorCode::kInvalidArgument, "the prompt is empty");
  const auto count = static_cast<int64_t>(prompt.size());
  const int64_t room = session.context() - before;
  if (count <= room || session.shifts_context()) return;
  fail(ErrorCode::kOutOfRange,
       "the prompt has {} tokens, but the context of {} has room for {}; shorten it or ask for a "
       "larger context",
       count, session.context(), room);
}

}  // namespace

GenerateResult generate(Session& session, std::span<const int32_t> prompt,
                        const GenerateOptions& options, const SamplingOptions& sampling,
                        const std::function<bool(const Token&)>& on_token) {
  const std::span<const int32_t> before =
      options.whole_prompt ? std::span<const int32_t>() : session.tokens();
  check_prompt(session, prompt, static_cast<int64_t>(before.size()));
  Sampler sampler(session.model(), sampling);
  if (!before.empty()) sampler.continue_text();
  for (const int32_t id : prompt) sampler.accept(id);
  GeneratedText text(session.model(), before, prompt);
  GenerateResult result;
  result.prompt_tokens = static_cast<int64_t>(prompt.size());
  const int32_t eos = session.model().info().eos;

  const Stopwatch prefill;
  std::span<const float> logits =
      options.whole_prompt ? session.prompt(prompt) : session.feed(prompt);
  result.prefill_seconds = prefill.seconds();
  if (options.whole_prompt) result.reused = session.reused();

  result.reason = StopReason::kMaxTokens;
  while (result.generated_tokens != options.max_tokens) {
    const int32_t id = sampler.sample(logits);
    if (id == eos) {
      result.reason = StopReason::kEos;
      const std::string rest = text.finish();
      if (!rest.empty()) on_token({id, rest});  // bytes that no token completed
      break;
    }
    ++result.generated_tokens;
    const bool enough = result.generated_tokens == options.max_tokens;
    const bool full = session.position() == session.context() && !session.shifts_context();
    Token token{id, text.add(id)};
    if (enough || full) token.text += text.finish();
    if (!on_token(token)) {
      result.reason = StopReason::kCallback;
      break;
    }
    if (sampler.finished()) {
      result.reason = StopReason::kEos;
      break;
    }
    if (enough) break;
    if (full) {
      result.reason = StopReason::kContextFull;
      break;
    }
    const Stopwatch decode;
    logits = session.feed(std::span(&id, 1));
    result.decode_seconds += decode.seconds();
  }
  return result;
}

}  // namespace octavo
