/* Compiled as C11, pedantic: the header is C, and its structs are laid out as they were published.
 */
#include "octavo/octavo.h"

/* A struct may grow at its end, by multiples of 8, and then this line grows with it. */
_Static_assert(sizeof(octavo_model_options) == 40, "octavo_model_options");
_Static_assert(sizeof(octavo_model_info) == 136, "octavo_model_info");
_Static_assert(sizeof(octavo_chat_options) == 24, "octavo_chat_options");
_Static_assert(sizeof(octavo_session_options) == 56, "octavo_session_options");
_Static_assert(sizeof(octavo_session_info) == 56, "octavo_session_info");
_Static_assert(sizeof(octavo_routed_token) == 64, "octavo_routed_token");
_Static_assert(sizeof(octavo_sampling_options) == 144, "octavo_sampling_options");
_Static_assert(sizeof(octavo_token) == 48, "octavo_token");
_Static_assert(sizeof(octavo_generate_options) == 56, "octavo_generate_options");
_Static_assert(sizeof(octavo_generate_result) == 88, "octavo_generate_result");
/* These come in arrays and never grow. */
_Static_assert(sizeof(octavo_chat_message) == 16, "octavo_chat_message");
_Static_assert(sizeof(octavo_op_profile) == 40, "octavo_op_profile");
_Static_assert(sizeof(octavo_logit_bias) == 8, "octavo_logit_bias");
_Static_assert(sizeof(octavo_token_logprob) == 8, "octavo_token_logprob");
/* What is there stays where it is. */
_Static_assert(offsetof(octavo_model_options, experts_on_cpu) == 32, "experts_on_cpu");
_Static_assert(offsetof(octavo_chat_options, continue_final) == 16, "continue_final");
_Static_assert(offsetof(octavo_model_info, has_tokenizer) == 128, "has_tokenizer");
_Static_assert(offsetof(octavo_session_options, context_shift) == 44, "context_shift");
_Static_assert(offsetof(octavo_session_options, profile) == 48, "profile");
_Static_assert(offsetof(octavo_session_info, reused) == 32, "reused");
_Static_assert(offsetof(octavo_session_info, cache) == 48, "cache");
_Static_assert(offsetof(octavo_routed_token, logits) == 56, "logits");
_Static_assert(offsetof(octavo_sampling_options, seed) == 32, "seed");
_Static_assert(offsetof(octavo_sampling_options, dry_breakers) == 64, "dry_breakers");
_Static_assert(offsetof(octavo_sampling_options, typical_p) == 80, "typical_p");
_Static_assert(offsetof(octavo_sampling_options, logit_bias) == 112, "logit_bias");
_Static_assert(offsetof(octavo_sampling_options, json_schema) == 136, "json_schema");
_Static_assert(offsetof(octavo_token, id) == 24, "id");
_Static_assert(offsetof(octavo_token, logprob) == 28, "logprob");
_Static_assert(offsetof(octavo_token, top_count) == 40, "top_count");
_Static_assert(offsetof(octavo_generate_options, whole_prompt) == 16, "whole_prompt");
_Static_assert(offsetof(octavo_generate_options, speculation) == 48, "speculation");
_Static_assert(offsetof(octavo_generate_result, last_token) == 52, "last_token");
_Static_assert(offsetof(octavo_generate_result, accepted) == 72, "accepted");
_Static_assert(offsetof(octavo_generate_result, decoded_tokens) == 80, "decoded_tokens");

int32_t octavo_header_version(void);
int32_t octavo_header_version(void) { return OCTAVO_VERSION_NUMBER; }
