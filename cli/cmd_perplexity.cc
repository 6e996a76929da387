// octavo perplexity: how well a model predicts a text, measured exactly as llama.cpp's
// llama-perplexity does.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "commands.h"
#include "files.h"
#include "octavo/octavo.hpp"
#include "options.h"
#include "scored_text.h"

namespace octavo::cli {
namespace {

struct PerplexityArguments {
  ModelArguments model;
  std::string file;
};

int measure(const PerplexityArguments& arguments) {
  const Model model = Model::open(arguments.model.path, model_options(arguments.model));
  const ScoredText text(model, arguments.file, arguments.model.context, 0);
  Session session(model, options_for(text, arguments.model.threads));
  const bool show = ::isatty(STDERR_FILENO) != 0;
  Score score;
  for (int64_t chunk = 0; chunk < text.chunks(); ++chunk) {
    const std::span<const int32_t> ids = text.chunk(chunk);
    session.reset();
    score_part(session, text, chunk, 0, text.context(),
               [&](int64_t i, std::span<const float> logits) {
                 const auto token = static_cast<size_t>(ids[static_cast<size_t>(i)]);
                 score.add(log_sum_exp(logits) - logits[token]);
               });
    if (show) {
      std::fputs(fmt::format("\r{} of {} chunks, so far {:.4f} ± {:.4f} ", chunk + 1, text.chunks(),
                             score.perplexity(), score.error())
                     .c_str(),
                 stderr);
    }
  }
  if (show) std::fputs("\n", stderr);
  write_output(fmt::format("{:.4f} ± {:.4f}\n", score.perplexity(), score.error()));
  return kExitDone;
}

}  // namespace

void add_perplexity_command(CLI::App& app, std::function<int()>& action) {
  CLI::App* command =
      app.add_subcommand("perplexity", "Measure how well the model predicts a text");
  const auto arguments = std::make_shared<PerplexityArguments>();
  arguments->model.context = 512;
  add_model_argument(*command, arguments->model.path);
  command->add_option("-f,--file", arguments->file, "The text, at least --ctx tokens of it")
      ->type_name("FILE")
      ->required();
  add_threads_option(*command, arguments->model.threads);
  add_context_option(*command, arguments->model.context, 8,
                     "Tokens in a chunk; the second half of each is scored (default: 512)");
  add_window_option(*command, arguments->model.window);
  command->footer(
      "Prints \"perplexity ± standard error\"; lower is better. The protocol is that of "
      "llama.cpp's\n"
      "llama-perplexity, so the figures compare.");
  command->callback([arguments, &action] { action = [arguments] { return measure(*arguments); }; });
}

}  // namespace octavo::cli
