/* Compiled as C11, pedantic: the header is C, and its structs are laid out as they were published.
 */
#include "octavo/octavo.h"

/* A struct may grow at its end, by multiples of 8, and then this line grows with it. */
_Static_assert(sizeof(octavo_model_options) == 16, "octavo_model_options");
_Static_assert(sizeof(octavo_model_info) == 136, "octavo_model_info");
_Static_assert(sizeof(octavo_session_options) == 48, "octavo_session_options");
_Static_assert(sizeof(octavo_session_info) == 40, "octavo_session_info");
_Static_assert(sizeof(octavo_routed_token) == 64, "octavo_routed_token");
_Static_assert(sizeof(octavo_sampling_options) == 40, "octavo_sampling_options");
_Static_assert(sizeof(octavo_token) == 32, "octavo_token");
_Static_assert(sizeof(octavo_generate_options) == 24, "octavo_generate_options");
_Static_assert(sizeof(octavo_generate_result) == 56, "octavo_generate_result");
/* What is there stays where it is. */
_Static_assert(offsetof(octavo_model_info, has_tokenizer) == 128, "has_tokenizer");
_Static_assert(offsetof(octavo_session_options, context_shift) == 44, "context_shift");
_Static_assert(offsetof(octavo_session_info, reused) == 32, "reused");
_Static_assert(offsetof(octavo_routed_token, logits) == 56, "logits");
_Static_assert(offsetof(octavo_sampling_options, seed) == 32, "seed");
_Static_assert(offsetof(octavo_token, id) == 24, "id");
_Static_assert(offsetof(octavo_generate_options, whole_prompt) == 16, "whole_prompt");
_Static_assert(offsetof(octavo_generate_result, last_token) == 52, "last_token");

int32_t octavo_header_version(void);
int32_t octavo_header_version(void) { return OCTAVO_VERSION_NUMBER; }
