// Generating in C.
#include "capi/objects.h"
#include "capi/structs.h"

namespace octavo::capi {
namespace {

int32_t stop_reason(StopReason reason) {
  switch (reason) {
    case StopReason::kEos:
      return OCTAVO_STOP_EOS;
    case StopReason::kMaxTokens:
      return OCTAVO_STOP_MAX_TOKENS;
    case StopReason::kContextFull:
      return OCTAVO_STOP_CONTEXT_FULL;
    case StopReason::kCallback:
      return OCTAVO_STOP_CALLBACK;
    case StopReason::kStopText:
      return OCTAVO_STOP_TEXT;
    case StopReason::kCancelled:
      return OCTAVO_STOP_CANCELLED;
  }
  return OCTAVO_STOP_CALLBACK;
}

/// The result when nothing was generated yet.
octavo_generate_result empty_result() {
  octavo_generate_result result = {};
  result.struct_size = sizeof result;
  result.reason = OCTAVO_STOP_CALLBACK;
  result.last_token = -1;
  result.stop_index = -1;
  return result;
}

octavo_generate_result result_of(const GenerateResult& generated, int32_t last_token) {
  return {.struct_size = sizeof(octavo_generate_result),
          .prompt_tokens = generated.prompt_tokens,
          .generated_tokens = generated.generated_tokens,
          .reused = generated.reused,
          .prefill_seconds = generated.prefill_seconds,
          .decode_seconds = generated.decode_seconds,
          .reason = stop_reason(generated.reason),
          .last_token = last_token,
          .stop_index = generated.stop_index,
          .drafted = generated.drafted,
          .accepted = generated.accepted,
          .decoded_tokens = generated.decoded_tokens};
}

/// Gives tokens to the caller, and hears from him.
struct TokenReceiver {
  octavo_token_callback callback;
  void* user;
  int32_t last_token = -1;
  std::vector<octavo_token_logprob> top = {};

  bool receive(const Token& token) {
    last_token = token.id;
    if (callback == nullptr) return true;
    top.clear();
    for (const TokenLogprob& each : token.top) top.push_back({each.id, each.logprob});
    const octavo_token given = {.struct_size = sizeof(octavo_token),
                                .text = token.text.c_str(),
                                .text_size = token.text.size(),
                                .id = token.id,
                                .logprob = token.logprob,
                                .top = top.data(),
                                .top_count = top.size()};
    return callback(&given, user) == 0;
  }
};

/// Both functions: `work` calls the library's generate with options, how tokens are chosen, and who
/// receives them.
template <class Work>
octavo_status generate_for(const octavo_session* session, const octavo_generate_options* options,
                           const octavo_sampling_options* sampling, octavo_token_callback callback,
                           void* user, octavo_generate_result* result, Work work) {
  octavo_generate_result filled = empty_result();
  size_t known = 0;  // of the result, by the caller
  const octavo_status status = guarded([&] {
    if (result != nullptr) {
      write_struct(result, result->struct_size, filled);
      known = result->struct_size;
    }
    const SessionUse use(session);
    GenerateOptions wanted = generate_options(options);
    wanted.cancel = use->freed.get_token();
    TokenReceiver receiver = {callback, user};
    const GenerateResult generated =
        work(use->session, wanted, sampling_options(sampling),
             [&receiver](const Token& token) { return receiver.receive(token); });
    filled = result_of(generated, receiver.last_token);
    if (generated.reason == StopReason::kCancelled) {
      throw Failure{OCTAVO_CANCELLED,
                    "stopped after " + std::to_string(generated.generated_tokens) + " tokens"};
    }
  });
  if (known > 0) write_struct(result, known, filled);
  return status;
}

}  // namespace
}  // namespace octavo::capi

using octavo::GenerateOptions;
using octavo::SamplingOptions;
using octavo::Session;
using octavo::TokenCallback;
using octavo::capi::generate_for;

extern "C" {

octavo_status octavo_generate(octavo_session* session, const int32_t* prompt, size_t count,
                              const octavo_generate_options* options,
                              const octavo_sampling_options* sampling,
                              octavo_token_callback callback, void* user,
                              octavo_generate_result* result) {
  return generate_for(session, options, sampling, callback, user, result,
                      [&](Session& with, const GenerateOptions& wanted,
                          const SamplingOptions& chosen, const TokenCallback& on_token) {
                        return octavo::generate(with, octavo::capi::ids_of(prompt, count), wanted,
                                                chosen, on_token);
                      });
}

octavo_status octavo_generate_chat(octavo_session* session, const octavo_chat_message* messages,
                                   size_t message_count, const octavo_chat_options* chat,
                                   const octavo_generate_options* options,
                                   const octavo_sampling_options* sampling,
                                   octavo_token_callback callback, void* user,
                                   octavo_generate_result* result) {
  return generate_for(session, options, sampling, callback, user, result,
                      [&](Session& with, const GenerateOptions& wanted,
                          const SamplingOptions& chosen, const TokenCallback& on_token) {
                        return octavo::generate(
                            with, octavo::capi::messages_of(messages, message_count), wanted,
                            chosen, on_token, octavo::capi::chat_options(chat));
                      });
}
}
