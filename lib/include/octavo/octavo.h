/* Octavo's C API: quantized inference for Mixtral 8x7B and Mistral 7B.
 *
 *   octavo_model* model = NULL;
 *   octavo_session* session = NULL;
 *   int32_t ids[64];
 *   size_t count = 0;
 *   octavo_model_open("mixtral.8vo", NULL, &model);
 *   octavo_session_create(model, NULL, &session);
 *   octavo_model_tokenize(model, "Hello", 5, 1, ids, 64, &count);
 *   octavo_generate(session, ids, count, NULL, NULL, on_token, NULL, NULL);
 *   octavo_session_free(session);
 *   octavo_model_free(model);
 *
 * Every function that can fail returns a status; octavo_last_error() says in words what went
 * wrong. A handle is checked: NULL, a freed one, and what never was one give
 * OCTAVO_INVALID_HANDLE. Options may be NULL for all defaults. The library never prints, aborts or
 * exits, and no C++ exception leaves it.
 *
 * Structs begin with struct_size. That of options and of results is set by the caller to the sizeof
 * that it was compiled with, best by the struct's _init function; a later library gives what the
 * caller does not know its default, and leaves results that he does not know out. A size that is
 * no multiple of 8, or larger than the library knows, is refused.
 *
 * Texts are UTF-8. What is written to the caller's buffer comes with its size before: *needed (or
 * *count) is set also where the buffer is too small (OCTAVO_BUFFER_TOO_SMALL) or NULL.
 *
 * Small values that come in arrays have no struct_size, and stay as they are for ever: messages,
 * logprobs, biases, profiles of ops.
 *
 * A model may be used by several threads at once. A session is for one call at a time: another
 * meanwhile, or one from its own callback, gets OCTAVO_BUSY. Only octavo_session_cancel and
 * octavo_session_free work at any time. */
/* NOLINTBEGIN(modernize-deprecated-headers,modernize-use-using,readability-identifier-naming): C */
#ifndef OCTAVO_OCTAVO_H_
#define OCTAVO_OCTAVO_H_

#include <stddef.h>
#include <stdint.h>

#include "octavo/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of this header: 10000 * major + 100 * minor + patch. */
#define OCTAVO_VERSION_NUMBER 100

typedef int32_t octavo_status;
enum {
  OCTAVO_OK = 0,
  OCTAVO_INVALID_ARGUMENT = 1, /* an option or a call that cannot be honoured */
  OCTAVO_IO = 2,               /* a file that cannot be opened, read, written or mapped */
  OCTAVO_FORMAT = 3,           /* a file that is damaged, cut short, or not what it says */
  OCTAVO_UNSUPPORTED = 4,      /* a valid file or request that this build does not know */
  OCTAVO_OUT_OF_RANGE = 5,     /* more tokens than the context holds */
  OCTAVO_CANCELLED = 6,        /* ended by octavo_session_cancel or the progress callback */
  OCTAVO_INVALID_HANDLE = 7,   /* NULL, freed, or never made */
  OCTAVO_BUFFER_TOO_SMALL = 8, /* nothing was written to it */
  OCTAVO_BUSY = 9,             /* the session is at work in another call */
  OCTAVO_OUT_OF_MEMORY = 10,
  OCTAVO_INTERNAL = 11 /* an error of the library itself, or a callback that threw */
};

typedef struct octavo_model octavo_model;
typedef struct octavo_session octavo_session;
typedef struct octavo_sampler octavo_sampler;

/* Of the library: "0.1.0", and as a number like OCTAVO_VERSION_NUMBER. */
OCTAVO_API const char* octavo_version(void);
OCTAVO_API int32_t octavo_version_number(void);
/* What the last call of this thread that failed said, one line; "" before that. Valid until the
 * next failure in this thread. */
OCTAVO_API const char* octavo_last_error(void);
/* "out of range"; "unknown status" for a number that is none. */
OCTAVO_API const char* octavo_status_name(octavo_status status);

/* ---- Model: a mapped file ---- */

typedef struct octavo_model_options {
  size_t struct_size;
  const char* device;     /* "cpu"; or "cuda" */
  int64_t window;         /* -1: the file's; keys that a token sees, itself included; 0: all */
  int64_t gpu_layers;     /* -1: all; with "cuda": how many layers are computed there */
  int64_t experts_on_cpu; /* 0; 1: with "cuda", the experts stay with the processor */
} octavo_model_options;
OCTAVO_API octavo_status octavo_model_options_init(octavo_model_options* options,
                                                   size_t struct_size);

OCTAVO_API octavo_status octavo_model_open(const char* path, const octavo_model_options* options,
                                           octavo_model** model);
/* Sessions of the model go on living. NULL is nothing to do. */
OCTAVO_API octavo_status octavo_model_free(octavo_model* model);

typedef struct octavo_model_info {
  size_t struct_size;
  /* Valid until the model is freed. */
  const char* architecture; /* "mixtral" or "mistral" */
  const char* format;       /* what it was converted to, "q4_k" */
  const char* device;       /* what it runs on, for people */
  int64_t dim, layers, heads, kv_heads, head_dim, ffn_dim;
  int64_t experts, experts_per_token;
  int64_t vocab, context, window; /* window 0: none */
  int32_t bos, eos;               /* -1: none */
  int64_t has_tokenizer;          /* 0 or 1 */
} octavo_model_info;
/* The caller sets info->struct_size. */
OCTAVO_API octavo_status octavo_model_get_info(const octavo_model* model, octavo_model_info* info);

/* Ids of a text, with BOS in front if add_bos is not 0. *count: how many there are. */
OCTAVO_API octavo_status octavo_model_tokenize(const octavo_model* model, const char* text,
                                               size_t text_size, int32_t add_bos, int32_t* ids,
                                               size_t capacity, size_t* count);
/* Text of ids, with a 0 behind it; *needed: bytes without that 0. Control tokens give nothing,
 * bytes that are no UTF-8 give U+FFFD. */
OCTAVO_API octavo_status octavo_model_detokenize(const octavo_model* model, const int32_t* ids,
                                                 size_t count, char* text, size_t capacity,
                                                 size_t* needed);
/* The model's chat template (Jinja), "" if it has none; valid until the model is freed. */
OCTAVO_API octavo_status octavo_model_chat_template(const octavo_model* model, const char** text);

/* ---- Chat ---- */

/* One message of a conversation: an optional "system" first, then "user" and "assistant" in turn.
 */
typedef struct octavo_chat_message {
  const char* role;
  const char* content;
} octavo_chat_message;

typedef struct octavo_chat_options {
  size_t struct_size;
  /* How messages become tokens: NULL or "auto", the model's own way; "mistral-v1", the official
   * encoding of Mixtral-Instruct; or the text of a Jinja template. */
  const char* chat_template;
  int64_t continue_final; /* 0; 1: the last message is an answer to go on with */
} octavo_chat_options;
OCTAVO_API octavo_status octavo_chat_options_init(octavo_chat_options* options, size_t struct_size);

/* Ids of a conversation, up to where the answer begins. What a message says is never taken for a
 * control token. *count: how many there are. */
OCTAVO_API octavo_status octavo_model_encode_chat(const octavo_model* model,
                                                  const octavo_chat_message* messages,
                                                  size_t message_count,
                                                  const octavo_chat_options* options, int32_t* ids,
                                                  size_t capacity, size_t* count);
/* The system prompt by which the Mistral 7B paper (section 5.1) enforces guardrails. */
OCTAVO_API const char* octavo_guardrail_prompt(void);

/* ---- Session: one sequence of tokens and its KV cache ---- */

enum {
  OCTAVO_CACHE_AUTO = 0, /* f32 for a model stored in f32, otherwise f16 */
  OCTAVO_CACHE_F32 = 1,
  OCTAVO_CACHE_F16 = 2,
  OCTAVO_CACHE_BF16 = 3,
  OCTAVO_CACHE_Q8_0 = 4 /* blocks of 32 bytes with a scale: little more than half of f16 */
};

typedef struct octavo_session_options {
  size_t struct_size;
  int64_t context;       /* positions; 0: the model's own */
  int64_t chunk;         /* 1024: tokens computed at once in prefill */
  int64_t threads;       /* 0: as many as the processors */
  int64_t keep;          /* 4: with context_shift, tokens at the start that stay */
  int32_t cache;         /* OCTAVO_CACHE_... */
  int32_t context_shift; /* 0: a full context is an error; 1: the older half moves out */
  int64_t profile;       /* 0; 1: keeps count of every op, see octavo_session_profile */
} octavo_session_options;
OCTAVO_API octavo_status octavo_session_options_init(octavo_session_options* options,
                                                     size_t struct_size);

OCTAVO_API octavo_status octavo_session_create(const octavo_model* model,
                                               const octavo_session_options* options,
                                               octavo_session** session);
/* NULL is nothing to do. A call that is at work in another thread is cancelled. */
OCTAVO_API octavo_status octavo_session_free(octavo_session* session);

typedef struct octavo_session_info {
  size_t struct_size;
  int64_t position;    /* tokens held */
  int64_t context;     /* tokens that fit */
  int64_t cache_bytes; /* memory of keys and values, what forks share included */
  int64_t reused;      /* ids that the last octavo_session_prompt did not have to compute */
  int64_t threads;     /* that compute */
  int64_t cache;       /* OCTAVO_CACHE_..., never AUTO */
} octavo_session_info;
/* The caller sets info->struct_size. */
OCTAVO_API octavo_status octavo_session_get_info(const octavo_session* session,
                                                 octavo_session_info* info);
/* The ids that it holds. *count: how many there are. */
OCTAVO_API octavo_status octavo_session_tokens(const octavo_session* session, int32_t* ids,
                                               size_t capacity, size_t* count);

/* Appends ids. *logits [*vocab] after the last one, valid until the session's next call; both may
 * be NULL. */
OCTAVO_API octavo_status octavo_session_feed(octavo_session* session, const int32_t* ids,
                                             size_t count, const float** logits, size_t* vocab);
/* As feed, but makes the session hold exactly these ids, of which the beginning that it holds
 * already is not computed again. */
OCTAVO_API octavo_status octavo_session_prompt(octavo_session* session, const int32_t* ids,
                                               size_t count, const float** logits, size_t* vocab);
/* index: of the token in ids; logits [vocab] after it, valid during the call. */
typedef void (*octavo_logits_callback)(int64_t index, const float* logits, size_t vocab,
                                       void* user);
/* As feed, with the logits of every token from ids[first] on. */
OCTAVO_API octavo_status octavo_session_evaluate(octavo_session* session, const int32_t* ids,
                                                 size_t count, size_t first,
                                                 octavo_logits_callback callback, void* user);
/* Forgets the tokens from `position` on; 0: all. */
OCTAVO_API octavo_status octavo_session_rewind(octavo_session* session, int64_t position);
/* Another session with the same tokens; memory is shared until one of the two goes on. It takes
 * over neither callback. */
OCTAVO_API octavo_status octavo_session_fork(const octavo_session* session, octavo_session** fork);
OCTAVO_API octavo_status octavo_session_save(const octavo_session* session, const char* path);
OCTAVO_API octavo_status octavo_session_restore(const octavo_model* model, const char* path,
                                                const octavo_session_options* options,
                                                octavo_session** session);

/* Called after each chunk of prefill, and as 1 of 1 after each token of a generation. Any other
 * answer than 0 ends the call with OCTAVO_CANCELLED unless it was the last chunk, as 1 of 1 always
 * is. What is computed stays in the session. */
typedef int32_t (*octavo_progress_callback)(int64_t done, int64_t total, void* user);
/* From now on; NULL ends it. */
OCTAVO_API octavo_status octavo_session_on_progress(octavo_session* session,
                                                    octavo_progress_callback callback, void* user);

/* What the router decided for one token in one layer. Valid during the call. */
typedef struct octavo_routed_token {
  size_t struct_size; /* set by the library */
  int64_t layer, position;
  size_t chosen;          /* experts per token */
  const int32_t* experts; /* [chosen], best first */
  const float* weights;   /* [chosen], sum 1 */
  size_t expert_count;
  const float* logits; /* [expert_count] */
} octavo_routed_token;
typedef void (*octavo_routing_callback)(const octavo_routed_token* token, void* user);
/* Called for each token in each layer of a mixture from now on; NULL ends it. */
OCTAVO_API octavo_status octavo_session_on_routing(octavo_session* session,
                                                   octavo_routing_callback callback, void* user);

/* Ends the call that is at work on the session with OCTAVO_CANCELLED, within a layer of the model.
 * The chunk of tokens being computed is dropped, those before it stay. Without a call, or when it
 * has computed all already, it does nothing. From any thread and any callback. */
OCTAVO_API octavo_status octavo_session_cancel(const octavo_session* session);

/* What one op of the forward pass has cost, summed over its calls. */
typedef struct octavo_op_profile {
  const char* name; /* "matmul_qkv", "attention", ...; valid until the session is freed */
  int64_t calls;
  double seconds;
  double bytes;      /* weights (of the experts that were chosen) and cache entries read */
  double operations; /* multiplications and additions with those */
} octavo_op_profile;
/* The ops since the session was made or the profile was reset, in the order of a pass. *count: how
 * many there are; none without octavo_session_options.profile. */
OCTAVO_API octavo_status octavo_session_profile(const octavo_session* session,
                                                octavo_op_profile* ops, size_t capacity,
                                                size_t* count);
OCTAVO_API octavo_status octavo_session_reset_profile(octavo_session* session);

/* ---- Sampling ---- */

/* Added to the logit of an id; minus infinity forbids it. */
typedef struct octavo_logit_bias {
  int32_t id;
  float bias;
} octavo_logit_bias;

typedef struct octavo_sampling_options {
  size_t struct_size;
  float temperature;     /* 0.8; 0: the most likely token (ties to the lower id) */
  float top_p;           /* 0.95; 1: off */
  float min_p;           /* 0.05; 0: off */
  float repeat_penalty;  /* 1: off; divides logits of recent tokens */
  int32_t top_k;         /* 40; 0: off */
  int32_t repeat_window; /* 64: tokens that the three penalties look back on */
  uint64_t seed;         /* 0 */

  float frequency_penalty;    /* 0: off; off logits, for each time a token is in the window */
  float presence_penalty;     /* 0: off; off logits, if a token is in the window at all */
  float dry_multiplier;       /* 0: off; weakens what goes on with a repeated sequence */
  float dry_base;             /* 1.75: how fast that grows with the sequence's length */
  int32_t dry_allowed_length; /* 2: shorter sequences may repeat */
  int32_t dry_window;         /* 0: all; tokens to look for sequences in */
  /* "\n", ":", "\"", "*": a token whose text has one of these ends a sequence. */
  const char* const* dry_breakers; /* [dry_breaker_count] */
  size_t dry_breaker_count;
  float typical_p;         /* 1: off; locally typical tokens that make up this probability */
  float xtc_probability;   /* 0: off; how often the top choices are dropped */
  float xtc_threshold;     /* 0.1: what counts as a top choice; the least likely of them stays */
  float dynatemp_range;    /* 0: off; the temperature moves so far up and down by entropy */
  float dynatemp_exponent; /* 1 */
  int32_t mirostat;        /* 0; 1: mirostat 2, in the place of top-k to XTC */
  float mirostat_tau;      /* 5: bits of surprise a token aimed at */
  float mirostat_eta;      /* 0.1: how fast that is corrected */
  const octavo_logit_bias* logit_bias; /* [logit_bias_count] */
  size_t logit_bias_count;
  /* What the text must match: a grammar in GBNF, or a JSON schema; one of the two. NULL or "":
   * anything. */
  const char* grammar;
  const char* json_schema;
} octavo_sampling_options;
OCTAVO_API octavo_status octavo_sampling_options_init(octavo_sampling_options* options,
                                                      size_t struct_size);

/* For those who choose tokens themselves from a session's logits. Like a session it is for one call
 * at a time. */
OCTAVO_API octavo_status octavo_sampler_create(const octavo_sampling_options* options,
                                               octavo_sampler** sampler);
/* Knows the vocabulary: with grammars and DRY's breakers. */
OCTAVO_API octavo_status octavo_sampler_create_for_model(const octavo_model* model,
                                                         const octavo_sampling_options* options,
                                                         octavo_sampler** sampler);
OCTAVO_API octavo_status octavo_sampler_free(octavo_sampler* sampler);
/* Remembers a token of the prompt for the penalties; sample does so itself for what it gives. */
OCTAVO_API octavo_status octavo_sampler_accept(octavo_sampler* sampler, int32_t id);
OCTAVO_API octavo_status octavo_sampler_sample(octavo_sampler* sampler, const float* logits,
                                               size_t vocab, int32_t* id);
/* Text comes before what is sampled, though accept has seen none: a space in front of the first
 * token counts. */
OCTAVO_API octavo_status octavo_sampler_continue_text(octavo_sampler* sampler);
/* *finished: 1 where the grammar is complete and allows nothing more, otherwise 0. */
OCTAVO_API octavo_status octavo_sampler_finished(octavo_sampler* sampler, int32_t* finished);

/* A token and the natural logarithm of its probability. */
typedef struct octavo_token_logprob {
  int32_t id;
  float logprob;
} octavo_token_logprob;
/* What the model itself says, before any stage, from its logits [vocab]: of `id` first, then of the
 * capacity - 1 most likely tokens. All of out [capacity] is written. */
OCTAVO_API octavo_status octavo_logprobs(const float* logits, size_t vocab, int32_t id,
                                         octavo_token_logprob* out, size_t capacity);

/* ---- Generating ---- */

typedef struct octavo_token {
  size_t struct_size; /* set by the library */
  const char* text;   /* whole UTF-8 with a 0 behind it; valid during the call */
  size_t text_size;
  int32_t id;
  float logprob; /* with octavo_generate_options.logprobs, otherwise 0 */
  /* The most likely tokens before any sampling stage, valid during the call. */
  const octavo_token_logprob* top; /* [top_count] */
  size_t top_count;
} octavo_token;
/* 0: go on; anything else ends the text. */
typedef int32_t (*octavo_token_callback)(const octavo_token* token, void* user);

enum {
  OCTAVO_STOP_EOS = 0,
  OCTAVO_STOP_MAX_TOKENS = 1,
  OCTAVO_STOP_CONTEXT_FULL = 2,
  OCTAVO_STOP_CALLBACK = 3,
  OCTAVO_STOP_TEXT = 4,     /* one of octavo_generate_options.stop */
  OCTAVO_STOP_CANCELLED = 5 /* comes with the status OCTAVO_CANCELLED */
};

enum {
  OCTAVO_SPECULATION_AUTO = 0, /* where it pays */
  OCTAVO_SPECULATION_OFF = 1,
  OCTAVO_SPECULATION_ON = 2
};

typedef struct octavo_generate_options {
  size_t struct_size;
  int64_t max_tokens;   /* 128; negative: until EOS or the context is full */
  int64_t whole_prompt; /* 0: the prompt is appended; 1: as octavo_session_prompt */
  /* The text ends in front of the first of these that it would have; what may be the beginning of
   * one is held back. */
  const char* const* stop; /* [stop_count] */
  size_t stop_count;
  int64_t logprobs;    /* -1: off; 0: of the chosen token; n: and of the n most likely */
  int64_t speculation; /* OCTAVO_SPECULATION_... */
} octavo_generate_options;
OCTAVO_API octavo_status octavo_generate_options_init(octavo_generate_options* options,
                                                      size_t struct_size);

typedef struct octavo_generate_result {
  size_t struct_size;
  int64_t prompt_tokens, generated_tokens;
  int64_t reused; /* of the prompt's tokens, with whole_prompt: were there already */
  double prefill_seconds, decode_seconds;
  int32_t reason;         /* OCTAVO_STOP_... */
  int32_t last_token;     /* the last one given, which is not in the session yet; -1: none */
  int64_t stop_index;     /* with OCTAVO_STOP_TEXT: which of octavo_generate_options.stop; or -1 */
  int64_t drafted;        /* tokens that speculation guessed */
  int64_t accepted;       /* of these: were right */
  int64_t decoded_tokens; /* that decode_seconds went to: EOS included, the first one not */
} octavo_generate_result;

/* Feeds the prompt and generates. The callback may be NULL, and so may the result, whose
 * struct_size the caller sets; it is filled in also where the call was cancelled. */
OCTAVO_API octavo_status octavo_generate(octavo_session* session, const int32_t* prompt,
                                         size_t count, const octavo_generate_options* options,
                                         const octavo_sampling_options* sampling,
                                         octavo_token_callback callback, void* user,
                                         octavo_generate_result* result);
/* The answer to a conversation, which is encoded as octavo_model_encode_chat does and is always the
 * whole prompt: what of it the session holds already is not computed again. */
OCTAVO_API octavo_status octavo_generate_chat(octavo_session* session,
                                              const octavo_chat_message* messages,
                                              size_t message_count, const octavo_chat_options* chat,
                                              const octavo_generate_options* options,
                                              const octavo_sampling_options* sampling,
                                              octavo_token_callback callback, void* user,
                                              octavo_generate_result* result);

#ifdef __cplusplus
}
#endif

#endif
/* NOLINTEND(modernize-deprecated-headers,modernize-use-using,readability-identifier-naming) */
