#include "text/chat_encoding.h"

#include "core/error.h"
#include "io/printable.h"

namespace octavo {
namespace {

void append(std::vector<int32_t>& ids, const std::vector<int32_t>& more) {
  ids.insert(ids.end(), more.begin(), more.end());
}

}  // namespace

void check_conversation(std::span<const ChatMessage> messages, bool continue_final) {
  if (messages.empty()) fail(ErrorCode::kInvalidArgument, "the conversation is empty");
  const bool has_system = messages.front().role == "system";
  const size_t first = has_system ? 1 : 0;
  if (messages.size() == first) {
    fail(ErrorCode::kInvalidArgument,
         "the conversation has a system message alone; the user's must follow");
  }
  for (size_t i = first; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    if (role != "system" && role != "user" && role != "assistant") {
      fail(ErrorCode::kInvalidArgument,
           "message {} has the unknown role \"{}\"; known are system, user and assistant", i + 1,
           printable(role));
    }
    const char* expected = (i - first) % 2 == 0 ? "user" : "assistant";
    if (role == expected) continue;
    fail(ErrorCode::kInvalidArgument,
         "message {} is the {}'s, but it is the {}'s turn; a system message comes first, then "
         "user and assistant alternate",
         i + 1, role, expected);
  }
  if (continue_final && messages.back().role != "assistant") {
    fail(ErrorCode::kInvalidArgument,
         "the conversation ends with the user's message, so there is no answer to go on with");
  }
}

std::vector<int32_t> encode_mistral_v1(const ChatVocabulary& vocabulary,
                                       std::span<const ChatMessage> messages, bool continue_final) {
  if (vocabulary.bos < 0 || vocabulary.eos < 0) {
    fail(ErrorCode::kUnsupported,
         "the model names no BOS or no EOS token, without which mistral-v1 cannot encode; choose "
         "another template");
  }
  std::vector<int32_t> ids = {vocabulary.bos};
  std::string system;
  for (const ChatMessage& message : messages) {
    if (message.role == "system") {
      system = message.content + "\n\n";
    } else if (message.role == "user") {
      append(ids, vocabulary.tokenizer.encode("[INST] " + system + message.content + " [/INST]"));
      system.clear();
    } else {
      append(ids, vocabulary.tokenizer.encode(message.content));
      const bool stays_open = continue_final && &message == &messages.back();
      if (!stays_open) ids.push_back(vocabulary.eos);
    }
  }
  return ids;
}

bool has_instruction_tokens(const Tokenizer& tokenizer) {
  for (int32_t id = 0; id < tokenizer.size(); ++id) {
    const Piece piece = tokenizer.piece(id);
    if (piece.kind == PieceKind::kControl && piece.name == "[INST]") return true;
  }
  return false;
}

}  // namespace octavo
