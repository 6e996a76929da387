// What is said in `octavo chat`, and the session that holds it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "octavo/octavo.hpp"

namespace octavo::cli {

struct ConversationOptions {
  ChatOptions chat;
  SamplingOptions sampling;
  SessionOptions session;
  int64_t max_tokens = -1;  ///< of an answer; negative: until the model ends it
  Speculation speculation = Speculation::kAuto;
};

/// One answer.
struct Answer {
  std::string text;
  bool interrupted = false;  ///< what there is of it stays; nothing, and the question is forgotten
  int64_t dropped = 0;       ///< the oldest turns that went to make room
  GenerateResult result;
};

class Conversation {
 public:
  /// Throws Error when the session cannot be made or `system` cannot be encoded.
  Conversation(const Model& model, const ConversationOptions& options, const std::string& system);

  /// Answers `text`. on_text gets the answer as it comes; on_prompt is called while the question is
  /// read, with the tokens that are done; both end the answer by returning false. Throws Error, and
  /// then nothing was said.
  Answer ask(const std::string& text, const std::function<bool(const std::string&)>& on_text,
             const std::function<bool(int64_t, int64_t)>& on_prompt);

  /// Forgets all but the system prompt.
  void reset();
  /// Starts anew with another system prompt; empty: none.
  void set_system(const std::string& text);

  const std::vector<ChatMessage>& messages() const { return messages_; }
  /// Starts anew with what was said before. Throws Error for what cannot be encoded or ends with a
  /// question.
  void set_messages(std::vector<ChatMessage> messages);

  const Session& session() const { return session_; }
  /// Keys and values that were computed before; what of them fits is not computed again.
  void restore_session(const std::string& path);

 private:
  std::vector<int32_t> encode_within_context(int64_t& dropped);
  bool drop_oldest_turn();
  Answer generate_answer(const std::vector<int32_t>& ids,
                         const std::function<bool(const std::string&)>& on_text);

  const Model model_;
  const ConversationOptions options_;
  Session session_;
  std::vector<ChatMessage> messages_;
  uint64_t turns_ = 0;  ///< answers so far, each with a seed of its own
};

}  // namespace octavo::cli
