// A conversation to ids, by Mistral's official encoding or by a template.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/octavo.hpp"
#include "text/tokenizer.h"

namespace octavo {

/// What a conversation is encoded with. The tokenizer must outlive it.
struct ChatVocabulary {
  const Tokenizer& tokenizer;
  int32_t bos = -1, eos = -1;  ///< -1: none
};

/// Throws Error(kInvalidArgument) unless an optional system message is followed by user and
/// assistant in turn; `continue_final` wants an answer at the end.
void check_conversation(std::span<const ChatMessage> messages, bool continue_final);

/// mistral-common's version 1: BOS, then each turn "[INST] text [/INST]" and each answer encoded on
/// its own, EOS after each answer; the system prompt and an empty line in front of the first turn.
/// Throws Error(kUnsupported) for a model without BOS or EOS.
std::vector<int32_t> encode_mistral_v1(const ChatVocabulary& vocabulary,
                                       std::span<const ChatMessage> messages, bool continue_final);

/// As a template renders it. The names of control tokens are those tokens where the template wrote
/// them, and text where a message did. What is between them is encoded in one piece.
std::vector<int32_t> encode_with_template(const ChatVocabulary& vocabulary,
                                          std::string_view chat_template,
                                          std::span<const ChatMessage> messages,
                                          bool continue_final);

/// Whether [INST] is a token of its own, as from Mistral's version 3 on.
bool has_instruction_tokens(const Tokenizer& tokenizer);
/// Whether the template writes what version 1 encodes, but for the blanks between segments.
bool renders_mistral_v1(std::string_view chat_template);

}  // namespace octavo
