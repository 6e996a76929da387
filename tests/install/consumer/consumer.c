/* consumer MODEL: the version, then a few words, in C. */
#include <octavo/octavo.h>
#include <stdio.h>
#include <string.h>

static int32_t on_token(const octavo_token* token, void* user) {
  (void)user;
  fputs(token->text, stdout);
  return 0;
}

static octavo_status run(const char* path) {
  octavo_model* model = NULL;
  octavo_session* session = NULL;
  octavo_session_options options;
  octavo_sampling_options sampling;
  octavo_generate_options limit;
  int32_t ids[16];
  size_t count = 0;
  const char* const text = "Once upon a time";
  octavo_status status = octavo_model_open(path, NULL, &model);
  octavo_session_options_init(&options, sizeof options);
  options.threads = 1;
  octavo_sampling_options_init(&sampling, sizeof sampling);
  sampling.temperature = 0;
  octavo_generate_options_init(&limit, sizeof limit);
  limit.max_tokens = 8;
  if (status == OCTAVO_OK) status = octavo_session_create(model, &options, &session);
  if (status == OCTAVO_OK) {
    status = octavo_model_tokenize(model, text, strlen(text), 1, ids, 16, &count);
  }
  if (status == OCTAVO_OK) {
    status = octavo_generate(session, ids, count, &limit, &sampling, on_token, NULL, NULL);
  }
  octavo_session_free(session);
  octavo_model_free(model);
  return status;
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  printf("%s\n", octavo_version());
  if (run(argv[1]) != OCTAVO_OK) {
    fprintf(stderr, "consumer: %s\n", octavo_last_error());
    return 1;
  }
  printf("\n");
  return 0;
}
