// The half of chat_encoding.h that goes through a template.
#include <algorithm>
#include <optional>

#include "core/error.h"
#include "text/chat_encoding.h"
#include "text/template/interpreter.h"

namespace octavo {
namespace {

using jinja::MarkedText;
using jinja::Origin;
using jinja::Value;

struct ControlToken {
  std::string name;
  int32_t id = 0;
};

std::string name_of(const Tokenizer& tokenizer, int32_t id) {
  return id >= 0 && id < tokenizer.size() ? tokenizer.piece(id).name : std::string();
}

/// The longest names first, so that none is taken for the begin of another.
std::vector<ControlToken> control_tokens(const Tokenizer& tokenizer) {
  std::vector<ControlToken> tokens;
  for (int32_t id = 0; id < tokenizer.size(); ++id) {
    Piece piece = tokenizer.piece(id);
    if (piece.kind != PieceKind::kControl || piece.name.empty()) continue;
    tokens.push_back({std::move(piece.name), id});
  }
  std::stable_sort(tokens.begin(), tokens.end(),
                   [](const auto& a, const auto& b) { return a.name.size() > b.name.size(); });
  return tokens;
}

/// The control token whose name the template itself wrote at `at`; null: none.
const ControlToken* control_at(const MarkedText& text, size_t at,
                               const std::vector<ControlToken>& tokens) {
  for (const ControlToken& token : tokens) {
    if (text.bytes.compare(at, token.name.size(), token.name) != 0) continue;
    const std::string_view origins = std::string_view(text.origins).substr(at, token.name.size());
    const char ours = static_cast<char>(Origin::kTemplate);
    if (origins.find_first_not_of(ours) == std::string_view::npos) return &token;
  }
  return nullptr;
}

/// Ids of the text between two control tokens. Encoding puts a space in front of each piece of
/// text, so one that the template has there already, as Mistral's do, is not doubled.
void append_text(const MarkedText& text, bool after_control, const Tokenizer& tokenizer,
                 std::vector<int32_t>& ids) {
  if (text.size() == 0) return;
  const bool spaced = after_control && tokenizer.leading_space() != LeadingSpace::kKeep &&
                      text.bytes.front() == ' ' && text.origin(0) == Origin::kTemplate;
  const std::vector<int32_t> part =
      tokenizer.encode(std::string_view(text.bytes).substr(spaced ? 1 : 0));
  ids.insert(ids.end(), part.begin(), part.end());
}

std::vector<int32_t> encode_marked(const MarkedText& text, const Tokenizer& tokenizer) {
  const std::vector<ControlToken> tokens = control_tokens(tokenizer);
  std::string beginnings;  // of their names
  for (const ControlToken& token : tokens) beginnings += token.name.front();
  std::vector<int32_t> ids;
  bool after_control = false;
  size_t begin = 0, at = 0;  // of the text since the last control token, and where we are in it
  while ((at = text.bytes.find_first_of(beginnings, at)) != std::string::npos) {
    const ControlToken* token = control_at(text, at, tokens);
    if (token == nullptr) {
      ++at;
      continue;
    }
    append_text(text.substr(begin, at - begin), after_control, tokenizer, ids);
    ids.push_back(token->id);
    after_control = true;
    begin = at += token->name.size();
  }
  append_text(text.substr(begin), after_control, tokenizer, ids);
  return ids;
}

Value messages_value(std::span<const ChatMessage> messages) {
  jinja::List list;
  for (const ChatMessage& message : messages) {
    const bool last = &message == &messages.back();
    jinja::Dictionary entry;
    entry.set("role", Value(std::string_view(message.role)));
    entry.set("content",
              Value(MarkedText(message.content, last ? Origin::kLastMessage : Origin::kMessage)));
    list.emplace_back(std::move(entry));
  }
  return Value(std::move(list));
}

/// The names that Hugging Face defines for a template.
MarkedText render(std::string_view chat_template, std::span<const ChatMessage> messages,
                  const std::string& bos, const std::string& eos) {
  const bool generate = messages.back().role != "assistant";
  std::vector<std::pair<std::string, Value>> variables = {
      {"messages", messages_value(messages)},
      {"add_generation_prompt", Value(generate)},
      {"tools", Value(jinja::None{})},
      {"documents", Value(jinja::None{})}};
  if (!bos.empty()) variables.emplace_back("bos_token", Value(std::string_view(bos)));
  if (!eos.empty()) variables.emplace_back("eos_token", Value(std::string_view(eos)));
  return jinja::render_template(chat_template, std::move(variables));
}

/// Cuts what comes after the last message's content.
MarkedText cut_after_last_message(const MarkedText& text) {
  const size_t end = text.origins.rfind(static_cast<char>(Origin::kLastMessage));
  if (end == std::string::npos) {
    fail(ErrorCode::kInvalidArgument,
         "the template writes nothing of the last message, so it cannot be gone on with");
  }
  return text.substr(0, end + 1);
}

/// A rendering of simple messages without its blanks; nothing when the template refuses them.
std::optional<std::string> probe(std::string_view chat_template,
                                 const std::vector<ChatMessage>& messages) {
  try {
    std::string text = render(chat_template, messages, "<s>", "</s>").bytes;
    std::erase(text, ' ');
    return text;
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

std::vector<int32_t> encode_with_template(const ChatVocabulary& vocabulary,
                                          std::string_view chat_template,
                                          std::span<const ChatMessage> messages,
                                          bool continue_final) {
  const Tokenizer& tokenizer = vocabulary.tokenizer;
  MarkedText text = render(chat_template, messages, name_of(tokenizer, vocabulary.bos),
                           name_of(tokenizer, vocabulary.eos));
  if (continue_final) text = cut_after_last_message(text);
  std::vector<int32_t> ids = encode_marked(text, tokenizer);
  if (ids.empty()) {
    fail(ErrorCode::kInvalidArgument, "the chat template writes nothing for this conversation");
  }
  return ids;
}

bool renders_mistral_v1(std::string_view chat_template) {
  std::vector<ChatMessage> messages = {{"user", "u1"}, {"assistant", "a1"}, {"user", "u2"}};
  const auto plain = probe(chat_template, messages);
  if (plain != "<s>[INST]u1[/INST]a1</s>[INST]u2[/INST]") return false;
  // The first templates had no place for a system message and refused it.
  messages.insert(messages.begin(), {"system", "s"});
  const auto with_system = probe(chat_template, messages);
  return !with_system || with_system == "<s>[INST]s\n\nu1[/INST]a1</s>[INST]u2[/INST]";
}

}  // namespace octavo
