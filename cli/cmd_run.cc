// octavo run: text in, generated text out.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <random>

#include "commands.h"
#include "core/error.h"
#include "files.h"
#include "octavo/octavo.hpp"
#include "options.h"
#include "profile_table.h"

namespace octavo::cli {
namespace {

struct RunArguments {
  ModelArguments model;
  TextArguments text;
  SamplingOptions sampling;
  int64_t max_tokens = 128;
  bool seed_given = false;
  bool stats = false;
};

// A signal handler has nothing else to write to.
volatile std::sig_atomic_t interrupted = 0;

void on_interrupt(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART | SA_RESETHAND;  // a second Ctrl-C kills
  ::sigaction(SIGINT, &action, nullptr);
}

/// Until the first token there is nothing to end cleanly.
void leave_at_once(int) { ::_exit(kExitInterrupted); }
void end_after_this_token(int) { interrupted = 1; }

void print_rate(const char* what, int64_t tokens, double seconds) {
  const double rate = seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
  std::fprintf(stderr, "%-9s %6lld tokens %9.2f s %9.1f tokens/s\n", what,
               static_cast<long long>(tokens), seconds, rate);
}

const char* reason_text(StopReason reason) {
  switch (reason) {
    case StopReason::kEos:
      return "the model ended its text";
    case StopReason::kMaxTokens:
      return "as many tokens as asked for (-n)";
    case StopReason::kContextFull:
      return "the context is full (--ctx)";
    case StopReason::kCallback:
      return "interrupted";
  }
  return "";
}

/// `prefill`: the profile when the first token came out.
void print_stats(const Session& session, const RunArguments& arguments,
                 const GenerateResult& result, const std::vector<OpProfile>& prefill) {
  const ModelInfo& info = session.model().info();
  std::fprintf(stderr, "\n%-9s %s, %s\n", "model", info.format.c_str(), info.device.c_str());
  print_rate("prompt", result.prompt_tokens, result.prefill_seconds);
  // The first token comes out of the prompt's pass; only the later passes are decoding.
  const int64_t decoded = session.position() - result.prompt_tokens;
  print_rate("decode", decoded, result.decode_seconds);
  std::fprintf(stderr, "%-9s %6lld tokens, then stopped: %s\n", "output",
               static_cast<long long>(result.generated_tokens), reason_text(result.reason));
  std::fprintf(stderr, "%-9s %lld of %lld tokens, keys and values %.1f MB\n", "context",
               static_cast<long long>(session.position()),
               static_cast<long long>(session.context()),
               static_cast<double>(session.cache_bytes()) / 1e6);
  std::fprintf(stderr, "%-9s %llu\n", "seed",
               static_cast<unsigned long long>(arguments.sampling.seed));
  const std::string tables = profile_table(Pass::kPrefill, result.prompt_tokens, prefill) +
                             profile_table(Pass::kDecode, decoded, session.profile());
  std::fputs(("\n" + tables).c_str(), stderr);
}

int run(RunArguments arguments) {
  on_interrupt(leave_at_once);
  const std::string text = read_text(arguments.text);
  if (text.empty()) fail(ErrorCode::kInvalidArgument, "the prompt is empty");
  if (!arguments.seed_given) arguments.sampling.seed = std::random_device{}();
  const Sampler checked(arguments.sampling);  // wrong values show before the model is opened
  const Model model = Model::open(arguments.model.path, model_options(arguments.model));
  const std::vector<int32_t> prompt = model.tokenize(text);
  SessionOptions options = session_options(arguments.model);
  options.profile = arguments.stats;
  Session session(model, options);

  bool first = true;
  std::vector<OpProfile> prefill;
  const auto end_of_prefill = [&] {
    first = false;
    prefill = session.profile();
    session.reset_profile();
  };
  const auto on_token = [&](const Token& token) {
    if (first) {
      on_interrupt(end_after_this_token);
      end_of_prefill();
    }
    write_output(token.text);
    return interrupted == 0;
  };
  const GenerateResult result =
      generate(session, prompt, {.max_tokens = arguments.max_tokens}, arguments.sampling, on_token);
  write_output("\n");
  if (first) end_of_prefill();  // the model ended its text at once
  if (arguments.stats) print_stats(session, arguments, result, prefill);
  return interrupted != 0 ? kExitInterrupted : kExitDone;
}

void add_sampling_options(CLI::App& command, RunArguments& arguments) {
  SamplingOptions& sampling = arguments.sampling;
  constexpr double kMany = 1e6;
  const auto number = [&command](const char* name, float& value, const char* help, double least,
                                 double most) {
    command.add_option(name, value, help)
        ->type_name("X")
        ->check(between(least, most))
        ->capture_default_str();
  };
  number("--temp", sampling.temperature,
         "Temperature: 0 always takes the most likely token, more is more varied", 0, kMany);
  command
      .add_option("--top-k", sampling.top_k, "Choose among the K most likely tokens; 0: among all")
      ->type_name("K")
      ->check(whole_number(0))
      ->capture_default_str();
  number("--top-p", sampling.top_p,
         "Choose among the most likely tokens that make up this probability; 1: off", 0, 1);
  number("--min-p", sampling.min_p,
         "Drop tokens less likely than this share of the most likely one; 0: off", 0, 1);
  number("--repeat-penalty", sampling.repeat_penalty,
         "Make the last 64 tokens less likely again; 1: off", 0.01, 100);
  command
      .add_option("--seed", sampling.seed, "The same seed gives the same text (default: random)")
      ->type_name("S");
}

}  // namespace

void add_run_command(CLI::App& app, std::function<int()>& action) {
  CLI::App* command = app.add_subcommand("run", "Continue a text");
  const auto arguments = std::make_shared<RunArguments>();
  add_model_argument(*command, arguments->model.path);
  add_text_options(*command, arguments->text);
  command
      ->add_option("-n,--tokens", arguments->max_tokens,
                   "Tokens to generate; -1: until the model ends or the context is full")
      ->type_name("N")
      ->check(whole_number(-1))
      ->capture_default_str();
  add_sampling_options(*command, *arguments);
  add_threads_option(*command, arguments->model.threads);
  add_context_option(*command, arguments->model.context, 1,
                     "Tokens that prompt and text may have together (default: the model's own)");
  add_window_option(*command, arguments->model.window);
  add_cache_options(*command, arguments->model);
  command->add_flag("--stats", arguments->stats,
                    "Say on standard error how fast it went, op by op");
  command->footer(
      "The generated text alone goes to standard output, token by token, and a line end after it.\n"
      "Ctrl-C ends the text after the current token; the exit code is then 130.");
  command->callback([command, arguments, &action] {
    arguments->seed_given = command->count("--seed") > 0;
    action = [arguments] { return run(*arguments); };
  });
}

}  // namespace octavo::cli
