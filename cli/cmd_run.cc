// octavo run: text in, generated text out.
#include <memory>

#include "commands.h"
#include "errors.h"
#include "octavo/octavo.hpp"
#include "options.h"
#include "sampling_options.h"
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
  finish_sampling_options(arguments.sampling);  // wrong values show before the model is opened
  const Model model = open_model(arguments.model);
  SessionOptions options = session_options(arguments.model);
  options.profile = arguments.stats;
  apply(arguments.session, options);
  TextRun run(arguments, model, options);
  return run.finish(arguments.text.is_given ? model.tokenize(text) : run.held());
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
  add_sampling_options(*command, arguments->sampling);
  add_speculation_option(*command, arguments->speculation);
  add_threads_option(*command, arguments->model.threads);
  add_context_option(*command, arguments->model.context, 1,
                     "Tokens that prompt and text may have together (default: the model's own)");
  add_window_option(*command, arguments->model.window);
  add_cache_options(*command, arguments->model);
  add_device_option(*command, arguments->model.device);
  add_offload_options(*command, arguments->model);
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
      "Ctrl-C ends the text, with --session also a long prompt, whose finished chunks are then in\n"
      "FILE; the exit code is 130.");
  command->callback([command, arguments, &action] {
    draw_seed(*command, arguments->sampling);
    action = [arguments] { return run(*arguments); };
  });
}

}  // namespace octavo::cli
