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

/// Text of the generated tokens, which goes on where the prompt ended. A model without a tokenizer
/// has none.
class GeneratedText {
 public:
  GeneratedText(const Session& session, std::span<const int32_t> prompt) {
    const Tokenizer* tokenizer = session.model().impl()->tokenizer.get();
    if (tokenizer == nullptr) return;
    stream_.emplace(*tokenizer, session.position() == 0);
    for (const int32_t id : prompt) stream_->add(id);
  }
  std::string add(int32_t id) { return stream_ ? stream_->add(id) : std::string(); }
  std::string finish() { return stream_ ? stream_->finish() : std::string(); }

 private:
  std::optional<TextStream> stream_;
};

void check_prompt(const Session& session, std::span<const int32_t> prompt) {
  if (prompt.empty()) fail(ErrorCode::kInvalidArgument, "the prompt is empty");
  const int64_t count = static_cast<int64_t>(prompt.size());
  const int64_t room = session.context() - session.position();
  if (count <= room) return;
  fail(ErrorCode::kOutOfRange,
       "the prompt has {} tokens, but the context of {} has room for {}; shorten it or ask for a "
       "larger context",
       count, session.context(), room);
}

}  // namespace

GenerateResult generate(Session& session, std::span<const int32_t> prompt,
                        const GenerateOptions& options, const SamplingOptions& sampling,
                        const std::function<bool(const Token&)>& on_token) {
  check_prompt(session, prompt);
  Sampler sampler(sampling);
  for (const int32_t id : prompt) sampler.accept(id);
  GeneratedText text(session, prompt);
  GenerateResult result;
  result.prompt_tokens = static_cast<int64_t>(prompt.size());
  const int32_t eos = session.model().info().eos;

  const Stopwatch prefill;
  std::span<const float> logits = session.feed(prompt);
  result.prefill_seconds = prefill.seconds();

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
    const bool full = session.position() == session.context();
    Token token{id, text.add(id)};
    if (enough || full) token.text += text.finish();
    if (!on_token(token)) {
      result.reason = StopReason::kCallback;
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
