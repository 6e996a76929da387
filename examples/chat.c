/* A conversation in C: chat MODEL.8vo [SYSTEM PROMPT]
 *
 * Every line is a message, and its answer appears while it is made. The end of the input (Ctrl-D)
 * ends the conversation. Standard output has the answers alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "octavo/octavo.h"

static void fail(const char* what) {
  fprintf(stderr, "chat: %s\n", what);
  exit(EXIT_FAILURE);
}

static void* resized(void* memory, size_t size) {
  void* const result = realloc(memory, size);
  if (result == NULL) fail("out of memory");
  return result;
}

/* ---- What was said so far ---- */

/* A text that grows, with a 0 behind it. */
typedef struct Text {
  char* bytes; /* [size + 1] */
  size_t size;
} Text;

static void append(Text* text, const char* bytes, size_t size) {
  text->bytes = resized(text->bytes, text->size + size + 1);
  memcpy(text->bytes + text->size, bytes, size);
  text->size += size;
  text->bytes[text->size] = '\0';
}

typedef struct Conversation {
  octavo_chat_message* messages; /* [count]; owns what they say */
  size_t count;
} Conversation;

/* Takes over `content`, which came from malloc. */
static void say(Conversation* conversation, const char* role, char* content) {
  const octavo_chat_message message = {role, content};
  conversation->messages =
      resized(conversation->messages, (conversation->count + 1) * sizeof *conversation->messages);
  conversation->messages[conversation->count++] = message;
}

static void unsay_last(Conversation* conversation) {
  free((char*)conversation->messages[--conversation->count].content); /* say took it over */
}

static void forget(Conversation* conversation) {
  while (conversation->count > 0) unsay_last(conversation);
  free(conversation->messages);
}

/* ---- One answer ---- */

/* Called for each token, in the thread that called octavo_generate. */
static int32_t on_token(const octavo_token* token, void* user) {
  Text* const answer = user;
  append(answer, token->text, token->text_size);
  fwrite(token->text, 1, token->text_size, stdout);
  fflush(stdout); /* a token is to be seen when it comes */
  return 0;       /* anything else would end the answer */
}

static octavo_status answer(octavo_session* session, Conversation* conversation) {
  octavo_generate_options options;
  octavo_generate_result result = {.struct_size = sizeof result};
  Text text = {NULL, 0};
  octavo_generate_options_init(&options, sizeof options);
  options.max_tokens = 256;
  append(&text, "", 0);
  /* The whole conversation is given each time; what the session holds is not computed again. */
  const octavo_status status =
      octavo_generate_chat(session, conversation->messages, conversation->count, NULL, &options,
                           NULL, on_token, &text, &result);
  printf("\n");
  if (status == OCTAVO_OK) {
    say(conversation, "assistant", text.bytes);
    if (result.reason == OCTAVO_STOP_CONTEXT_FULL) fprintf(stderr, "chat: the context is full\n");
  } else {
    fprintf(stderr, "chat: %s\n", octavo_last_error());
    unsay_last(conversation); /* users and assistants must go on taking turns */
    free(text.bytes);
  }
  return status;
}

/* ---- The program ---- */

/* A line without its end; 0 where there is none. */
static int read_line(Text* line) {
  char part[1024];
  line->bytes = NULL;
  line->size = 0;
  while (fgets(part, sizeof part, stdin) != NULL) {
    const size_t size = strcspn(part, "\n");
    append(line, part, size);
    if (part[size] == '\n') return 1;
  }
  return line->bytes != NULL;
}

static int converse(octavo_session* session, const char* system_prompt) {
  Conversation conversation = {NULL, 0};
  Text line = {NULL, 0};
  int failures = 0;
  if (system_prompt != NULL) {
    Text copy = {NULL, 0};
    append(&copy, system_prompt, strlen(system_prompt));
    say(&conversation, "system", copy.bytes);
  }
  while (read_line(&line)) {
    if (line.size == 0) {
      free(line.bytes);
      continue;
    }
    say(&conversation, "user", line.bytes);
    if (answer(session, &conversation) != OCTAVO_OK) ++failures;
  }
  forget(&conversation);
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char** argv) {
  octavo_model* model = NULL;
  octavo_session* session = NULL;
  int result = EXIT_FAILURE;
  if (argc < 2 || argc > 3 || strcmp(argv[1], "--help") == 0) {
    const int is_asked = argc == 2;
    fprintf(is_asked ? stdout : stderr,
            "usage: chat MODEL.8vo [SYSTEM PROMPT]\n"
            "Answers every line of the standard input; Ctrl-D ends the conversation.\n");
    return is_asked ? EXIT_SUCCESS : 2;
  }
  if (octavo_model_open(argv[1], NULL, &model) == OCTAVO_OK &&
      octavo_session_create(model, NULL, &session) == OCTAVO_OK) {
    result = converse(session, argc > 2 ? argv[2] : NULL);
  } else {
    fprintf(stderr, "chat: %s\n", octavo_last_error());
  }
  octavo_session_free(session); /* NULL is fine */
  octavo_model_free(model);
  return result;
}
