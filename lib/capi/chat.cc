// Conversations in C.
#include <string>
#include <vector>

#include "capi/objects.h"
#include "capi/structs.h"

namespace octavo::capi {
namespace {

octavo_chat_options chat_defaults() {
  return {
      .struct_size = sizeof(octavo_chat_options), .chat_template = nullptr, .continue_final = 0};
}

}  // namespace

ChatOptions chat_options(const octavo_chat_options* given) {
  const octavo_chat_options read = read_struct(given, chat_defaults());
  ChatOptions options;
  if (read.chat_template != nullptr) options.chat_template = read.chat_template;
  options.continue_final = flag_of(read.continue_final, "continue_final");
  return options;
}

std::vector<ChatMessage> messages_of(const octavo_chat_message* messages, size_t count) {
  std::vector<ChatMessage> result;
  for (const octavo_chat_message& each : array_of(messages, count, "messages")) {
    result.push_back({string_of(each.role, "role"), string_of(each.content, "content")});
  }
  return result;
}

}  // namespace octavo::capi

extern "C" {

octavo_status octavo_chat_options_init(octavo_chat_options* options, size_t struct_size) {
  return octavo::capi::init(options, struct_size, octavo::capi::chat_defaults());
}

octavo_status octavo_model_encode_chat(const octavo_model* model,
                                       const octavo_chat_message* messages, size_t message_count,
                                       const octavo_chat_options* options, int32_t* ids,
                                       size_t capacity, size_t* count) {
  return octavo::capi::guarded([&] {
    const auto found = octavo::capi::models().find(model);
    const auto result = found->encode_chat(octavo::capi::messages_of(messages, message_count),
                                           octavo::capi::chat_options(options));
    octavo::capi::copy_out<int32_t>(result, {}, ids, capacity, count);
  });
}

const char* octavo_guardrail_prompt(void) {
  return octavo::kGuardrailPrompt.data();  // a literal, so with a 0 behind it
}
}
