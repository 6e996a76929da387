#include "conversation.h"

#include "errors.h"
#include "signals_cancel.h"

namespace octavo::cli {
namespace {

/// Undoes what was said unless an answer came.
class PendingQuestion {
 public:
  PendingQuestion(std::vector<ChatMessage>& messages, const std::string& text)
      : messages_(messages) {
    messages_.push_back({"user", text});
  }
  ~PendingQuestion() {
    if (!answered_) messages_.pop_back();
  }
  PendingQuestion(const PendingQuestion&) = delete;
  PendingQuestion& operator=(const PendingQuestion&) = delete;

  void answer(const std::string& text) {
    messages_.push_back({"assistant", text});
    answered_ = true;
  }

 private:
  std::vector<ChatMessage>& messages_;
  bool answered_ = false;
};

size_t first_turn(const std::vector<ChatMessage>& messages) {
  return !messages.empty() && messages.front().role == "system" ? 1 : 0;
}

}  // namespace

Conversation::Conversation(const Model& model, const ConversationOptions& options,
                           const std::string& system)
    : model_(model), options_(options), session_(model, options.session) {
  set_system(system);
}

void Conversation::reset() {
  messages_.resize(first_turn(messages_));
  turns_ = 0;
}

void Conversation::set_system(const std::string& text) {
  std::vector<ChatMessage> messages;
  if (!text.empty()) messages.push_back({"system", text});
  set_messages(std::move(messages));
}

void Conversation::set_messages(std::vector<ChatMessage> messages) {
  if (messages.size() > first_turn(messages) && messages.back().role == "user") {
    fail(ErrorCode::kInvalidArgument, "the conversation ends with a question that has no answer");
  }
  // As the next question would be, so that a template that takes no system prompt says so now.
  std::vector<ChatMessage> with_question = messages;
  with_question.push_back({"user", "?"});
  model_.encode_chat(with_question, options_.chat);
  messages_ = std::move(messages);
  turns_ = 0;
}

void Conversation::restore_session(const std::string& path) {
  session_ = Session::restore(model_, path, options_.session);
}

bool Conversation::drop_oldest_turn() {
  const auto first = messages_.begin() + static_cast<std::ptrdiff_t>(first_turn(messages_));
  if (messages_.end() - first < 3) return false;  // the question alone is left
  messages_.erase(first, first + 2);
  return true;
}

std::vector<int32_t> Conversation::encode_within_context(int64_t& dropped) {
  std::vector<int32_t> ids = model_.encode_chat(messages_, options_.chat);
  const int64_t context = session_.context();
  const auto count = [&ids] { return static_cast<int64_t>(ids.size()); };
  if (count() < context) return ids;
  if (!session_.shifts_context()) {
    fail(ErrorCode::kOutOfRange,
         "the conversation has {} tokens and does not fit the context of {}; /reset starts anew, "
         "--ctx gives more room, --context-shift lets go of the oldest turns",
         count(), context);
  }
  // To the half at once: what comes after the gap has to be computed again.
  while (count() > context / 2 && drop_oldest_turn()) {
    ++dropped;
    ids = model_.encode_chat(messages_, options_.chat);
  }
  if (count() < context) return ids;
  fail(ErrorCode::kOutOfRange, "the message has {} tokens and does not fit the context of {}",
       count(), context);
}

Answer Conversation::generate_answer(const std::vector<int32_t>& ids,
                                     const std::function<bool(const std::string&)>& on_text) {
  Answer answer;
  std::vector<int32_t> generated;
  SamplingOptions sampling = options_.sampling;
  sampling.seed += turns_;
  const auto on_token = [&](const Token& token) {
    // Encoding puts a space in front of the answer; it is none of its text.
    const bool spaced = generated.empty() && token.text.starts_with(' ');
    generated.push_back(token.id);
    return on_text(token.text.substr(spaced ? 1 : 0));
  };
  const SignalsCancel cancelled(session_);
  answer.result = generate(session_, ids,
                           {.max_tokens = options_.max_tokens,
                            .whole_prompt = true,
                            .speculation = options_.speculation},
                           sampling, on_token);
  answer.interrupted = answer.result.reason == StopReason::kCallback ||
                       answer.result.reason == StopReason::kCancelled;
  answer.text = model_.detokenize(generated);
  return answer;
}

Answer Conversation::ask(const std::string& text,
                         const std::function<bool(const std::string&)>& on_text,
                         const std::function<bool(int64_t, int64_t)>& on_prompt) {
  PendingQuestion question(messages_, text);
  int64_t dropped = 0;
  const std::vector<int32_t> ids = encode_within_context(dropped);
  session_.on_progress(on_prompt);
  Answer answer = generate_answer(ids, on_text);
  answer.dropped = dropped;
  const bool is_unread = answer.interrupted && answer.result.generated_tokens == 0;
  if (is_unread) return answer;
  question.answer(answer.text);
  ++turns_;
  return answer;
}

}  // namespace octavo::cli
