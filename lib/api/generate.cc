// Text out of a session: choose a token, deliver it, compute with it.
#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>

#include "api/session_impl.h"
#include "core/error.h"
#include "text/stop_texts.h"

namespace octavo {
namespace {

constexpr int64_t kAnyNumber = std::numeric_limits<int64_t>::max();

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// What of the generated tokens' text can be shown. A model without a tokenizer has none.
class GeneratedText {
 public:
  GeneratedText(const Model& model, std::span<const std::string> stop) : stop_(stop) {
    if (!stop.empty()) model.impl()->require_tokenizer();
    if (model.info().has_tokenizer) stream_.emplace(model);
  }
  /// It goes on behind the text of `ids`.
  void follow(std::span<const int32_t> ids) {
    for (const int32_t id : ids) add_piece(id);
  }
  /// `is_last`: nothing follows, so nothing is held back.
  std::string add(int32_t id, bool is_last) {
    std::string text = add_piece(id);
    if (is_last && stream_) text += stream_->finish();
    std::string shown = stop_.add(text);
    return is_last ? shown + stop_.finish() : shown;
  }
  /// Which stop text the text ended in front of; -1: none yet.
  int found() const { return stop_.found(); }

 private:
  std::string add_piece(int32_t id) { return stream_ ? stream_->add(id) : std::string(); }

  StopTexts stop_;
  std::optional<TextStream> stream_;
};

/// One call of generate.
class Generation {
 public:
  Generation(Session& session, const GenerateOptions& options, const SamplingOptions& sampling,
             const TokenCallback& on_token)
      : session_(session),
        impl_(session.impl()),
        options_(options),
        on_token_(on_token),
        call_(impl_),
        cancel_(options.cancel, [&session] { session.cancel(); }),
        sampler_(session.model(), sampling),
        text_(session.model(), options.stop) {
    if (options.logprobs < -1) {
      fail(ErrorCode::kInvalidArgument,
           "logprobs must be -1 (none), 0 (of the token) or a count of alternatives, not {}",
           options.logprobs);
    }
  }

  /// `starts_text`: what is generated begins a text of its own and goes on with none.
  GenerateResult run(std::span<const int32_t> prompt, bool starts_text);

 private:
  void check_prompt(std::span<const int32_t> prompt) const;
  /// Tells the sampler and the text what comes before.
  void look_back(std::span<const int32_t> prompt, bool starts_text);
  /// These four return false when they were the last, for result_.reason.
  bool read_prompt(std::span<const int32_t> prompt);
  bool compute(int32_t id);
  bool deliver(int32_t id);
  bool end(StopReason reason);
  /// The next token, by logits_.
  int32_t choose();
  /// What the caller says to a token.
  bool give(int32_t id, std::string text);

  Session& session_;
  Session::Impl& impl_;
  const GenerateOptions& options_;
  const TokenCallback& on_token_;
  const Session::Impl::Call call_;
  const std::stop_callback<std::function<void()>> cancel_;
  Sampler sampler_;
  GeneratedText text_;
  std::span<const float> logits_;  ///< [vocab] that the next token is chosen from
  int64_t chosen_ = 0;             ///< tokens so far, EOS included
  GenerateResult result_;
};

GenerateResult Generation::run(std::span<const int32_t> prompt, bool starts_text) {
  check_prompt(prompt);
  look_back(prompt, starts_text);
  bool goes_on = read_prompt(prompt);
  impl_.lookahead.begin(options_.speculation, session_.tokens());
  if (goes_on && options_.max_tokens == 0) goes_on = end(StopReason::kMaxTokens);
  while (goes_on) {
    const int32_t id = choose();
    goes_on = deliver(id) && compute(id);
  }
  impl_.settle();
  result_.drafted = impl_.lookahead.drafted();
  result_.accepted = impl_.lookahead.accepted();
  result_.stop_index = text_.found();
  result_.decoded_tokens = std::max<int64_t>(0, chosen_ - 1);
  return result_;
}

void Generation::check_prompt(std::span<const int32_t> prompt) const {
  if (prompt.empty()) fail(ErrorCode::kInvalidArgument, "the prompt is empty");
  impl_.transformer.check_vocabulary(prompt);
  const auto count = static_cast<int64_t>(prompt.size());
  const int64_t room = session_.context() - (options_.whole_prompt ? 0 : session_.position());
  if (count <= room || session_.shifts_context()) return;
  fail(ErrorCode::kOutOfRange,
       "the prompt has {} tokens, but the context of {} has room for {}; shorten it or ask for a "
       "larger context",
       count, session_.context(), room);
}

void Generation::look_back(std::span<const int32_t> prompt, bool starts_text) {
  const bool appends = !options_.whole_prompt && session_.position() > 0;
  if (appends) sampler_.continue_text();
  for (const int32_t id : prompt) sampler_.accept(id);
  if (starts_text) return;
  if (appends) text_.follow(session_.tokens());
  text_.follow(prompt);
}

bool Generation::read_prompt(std::span<const int32_t> prompt) {
  result_.prompt_tokens = static_cast<int64_t>(prompt.size());
  if (impl_.cancelled) return end(StopReason::kCancelled);
  const Stopwatch prefill;
  const auto computed = options_.whole_prompt ? impl_.prompt(prompt) : impl_.feed(prompt);
  result_.prefill_seconds = prefill.seconds();
  if (options_.whole_prompt) result_.reused = session_.reused();
  logits_ = impl_.logits;
  return computed.all() || end(StopReason::kCancelled);
}

bool Generation::compute(int32_t id) {
  const Stopwatch decode;
  const int64_t left = options_.max_tokens - result_.generated_tokens;
  const auto computed = impl_.feed_next(id, options_.max_tokens < 0 ? kAnyNumber : left);
  result_.decode_seconds += decode.seconds();
  logits_ = impl_.logits;
  return computed.all() || end(StopReason::kCancelled);
}

int32_t Generation::choose() {
  ++chosen_;
  return sampler_.sample(logits_);
}

bool Generation::deliver(int32_t id) {
  const bool is_eos = id == session_.model().info().eos;
  if (!is_eos) ++result_.generated_tokens;
  const bool ends_grammar = sampler_.finished();
  const bool enough = result_.generated_tokens == options_.max_tokens;
  const bool full = session_.position() == session_.context() && !session_.shifts_context();
  std::string text = text_.add(id, is_eos || ends_grammar || enough || full);
  // EOS comes with what was held back; alone it is not shown.
  const bool is_shown = !is_eos || !text.empty();
  const bool is_wanted = !is_shown || give(id, std::move(text));
  if (text_.found() >= 0) return end(StopReason::kStopText);
  if (is_eos) return end(StopReason::kEos);
  if (!is_wanted) return end(StopReason::kCallback);
  if (ends_grammar) return end(StopReason::kEos);
  if (enough) return end(StopReason::kMaxTokens);
  return !full || end(StopReason::kContextFull);
}

bool Generation::give(int32_t id, std::string text) {
  if (!on_token_) return true;
  Token token = {id, std::move(text), 0, {}};
  if (options_.logprobs < 0) return on_token_(token);
  const std::vector<TokenLogprob> logprobs = Sampler::logprobs(logits_, id, options_.logprobs);
  token.logprob = logprobs.front().logprob;
  token.top = std::span(logprobs).subspan(1);
  return on_token_(token);
}

bool Generation::end(StopReason reason) {
  result_.reason = reason;
  return false;
}

}  // namespace

GenerateResult generate(Session& session, std::span<const int32_t> prompt,
                        const GenerateOptions& options, const SamplingOptions& sampling,
                        const TokenCallback& on_token) {
  return Generation(session, options, sampling, on_token).run(prompt, false);
}

GenerateResult generate(Session& session, std::span<const ChatMessage> messages,
                        const GenerateOptions& options, const SamplingOptions& sampling,
                        const TokenCallback& on_token, const ChatOptions& chat) {
  GenerateOptions whole = options;
  whole.whole_prompt = true;
  const std::vector<int32_t> prompt = session.model().encode_chat(messages, chat);
  return Generation(session, whole, sampling, on_token).run(prompt, !chat.continue_final);
}

}  // namespace octavo
