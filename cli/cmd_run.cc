// octavo run: text in, generated text out.
#include <memory>
#include <random>

#include "commands.h"
#include "core/error.h"
#include "octavo/octavo.hpp"
#include "options.h"
#include "text_run.h"

namespace octavo::cli {
namespace {

int run(RunArguments arguments) {
  TextRun::catch_interrupts();
  std::string text;
  if (arguments.text.is_given) {
    text = read_text(arguments.text);
    if (text.empty()) fail(ErrorCode::kInvalidArgument, "the prompt is empty");
  }
  if (!arguments.seed_given) arguments.sampling.seed = std::random_device{}();
  const Sampler checked(arguments.sampling);  // wrong values show before the model is opened
  const Model model = Model::open(arguments.model.path, model_options(arguments.model));
  SessionOptions options = session_options(arguments.model);
  options.profile = arguments.stats;
  apply(arguments.session, options);
  TextRun run(arguments, model, options);
  return run.finish(arguments.text.is_given ? model.tokenize(text) : run.held());
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
  add_text_options(*command, arguments->text, "--session");
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
  add_session_options(*command, arguments->session,
                      "Keep the computed prompt in FILE: what a later prompt begins with alike is "
                      "not computed again; without -p and -f, go on with what FILE holds");
  command
      ->add_flag("--session-all", arguments->session_all,
                 "Keep the generated text in FILE too, not the prompt alone")
      ->needs("--session");
  command->add_flag("--stats", arguments->stats,
                    "Say on standard error how fast it went, op by op");
  command->footer(
      "The generated text alone goes to standard output, token by token, and a line end after it.\n"
      "Ctrl-C ends the text after the current token, with --session also a long prompt after the\n"
      "current chunk, whose tokens are then in FILE; the exit code is 130.");
  command->callback([command, arguments, &action] {
    arguments->seed_given = command->count("--seed") > 0;
    action = [arguments] { return run(*arguments); };
  });
}

}  // namespace octavo::cli
