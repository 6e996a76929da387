#include "api/model_impl.h"
#include "core/error.h"
#include "text/chat_encoding.h"

namespace octavo {
namespace {

constexpr std::string_view kAuto = "auto", kMistralV1 = "mistral-v1";

/// The template to render; empty: the official encoding.
std::string_view chosen_template(const Model& model, const Tokenizer& tokenizer,
                                 const std::string& choice) {
  if (choice == kMistralV1) return {};
  if (choice != kAuto) return choice;
  const std::string& own = model.chat_template();
  // Version 1 has [INST] as plain text; its templates lose the borders between segments, which the
  // official encoding keeps.
  if (has_instruction_tokens(tokenizer)) {
    if (!own.empty()) return own;
    fail(ErrorCode::kUnsupported,
         "the model has no chat template, and its tokenizer is none of Mistral's version 1; name a "
         "template (--template FILE)");
  }
  return own.empty() || renders_mistral_v1(own) ? std::string_view() : own;
}

}  // namespace

std::vector<int32_t> Model::encode_chat(std::span<const ChatMessage> messages,
                                        const ChatOptions& options) const {
  const Tokenizer& tokenizer = impl_->require_tokenizer();
  check_conversation(messages, options.continue_final);
  if (options.chat_template.empty()) {
    fail(ErrorCode::kInvalidArgument, "the chat template is empty");
  }
  const ChatVocabulary vocabulary{tokenizer, impl_->info.bos, impl_->info.eos};
  const std::string_view text = chosen_template(*this, tokenizer, options.chat_template);
  return text.empty() ? encode_mistral_v1(vocabulary, messages, options.continue_final)
                      : encode_with_template(vocabulary, text, messages, options.continue_final);
}

}  // namespace octavo
