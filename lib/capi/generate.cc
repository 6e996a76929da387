// Generating in C.
#include "capi/objects.h"
#include "capi/structs.h"

using octavo::capi::guarded;

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
    case StopReason::kStopText:
    case StopReason::kCancelled:
      return OCTAVO_STOP_CALLBACK;
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

/// Gives tokens to the caller, and hears from him and from those who cancel.
struct TokenReceiver {
  octavo_token_callback callback;
  void* user;
  const std::atomic<bool>& is_cancelled;
  int32_t last_token = -1;
  bool is_ended_by_callback = false;

  bool receive(const Token& token) {
    last_token = token.id;
    const octavo_token given = {.struct_size = sizeof(octavo_token),
                                .text = token.text.c_str(),
                                .text_size = token.text.size(),
                                .id = token.id,
                                .logprob = 0,
                                .top = nullptr,
                                .top_count = 0};
    is_ended_by_callback = callback != nullptr && callback(&given, user) != 0;
    return !is_ended_by_callback && !is_cancelled;
  }
};

void run(const octavo_session* session, std::span<const int32_t> prompt,
         const GenerateOptions& options, const SamplingOptions& sampling,
         octavo_token_callback callback, void* user, octavo_generate_result& result) {
  const SessionWork work(session);
  TokenReceiver receiver = {callback, user, work->is_cancelled};
  const GenerateResult generated =
      generate(work->session, prompt, options, sampling,
               [&receiver](const Token& token) { return receiver.receive(token); });
  result.prompt_tokens = generated.prompt_tokens;
  result.generated_tokens = generated.generated_tokens;
  result.reused = generated.reused;
  result.prefill_seconds = generated.prefill_seconds;
  result.decode_seconds = generated.decode_seconds;
  result.reason = stop_reason(generated.reason);
  result.last_token = receiver.last_token;
  const bool is_cancelled = generated.reason == StopReason::kCallback
                                ? !receiver.is_ended_by_callback
                                : generated.reason == StopReason::kCancelled;
  if (is_cancelled) {
    throw Failure{OCTAVO_CANCELLED,
                  "stopped after " + std::to_string(generated.generated_tokens) + " tokens"};
  }
}

}  // namespace
}  // namespace octavo::capi

extern "C" {

octavo_status octavo_generate(octavo_session* session, const int32_t* prompt, size_t count,
                              const octavo_generate_options* options,
                              const octavo_sampling_options* sampling,
                              octavo_token_callback callback, void* user,
                              octavo_generate_result* result) {
  octavo_generate_result filled = octavo::capi::empty_result();
  size_t known = 0;  // of the result, by the caller
  const octavo_status status = guarded([&] {
    if (result != nullptr) {
      octavo::capi::write_struct(result, result->struct_size, filled);
      known = result->struct_size;
    }
    octavo::capi::run(session, octavo::capi::ids_of(prompt, count),
                      octavo::capi::generate_options(options),
                      octavo::capi::sampling_options(sampling), callback, user, filled);
  });
  if (known > 0) octavo::capi::write_struct(result, known, filled);
  return status;
}
}
