// octavo perplexity: how well a model predicts a text, measured exactly as llama.cpp's
// llama-perplexity does, or by the length of the context.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "commands.h"
#include "files.h"
#include "octavo/octavo.hpp"
#include "options.h"
#include "perplexity_report.h"
#include "progress.h"
#include "scored_text.h"

namespace octavo::cli {
namespace {

constexpr int64_t kUsualContext = 512;

/// A part of a chunk at a time, so that somebody can watch and stop: false when stopped.
bool score_chunk(Session& session, const ScoredText& text, int64_t chunk, int64_t part,
                 PerplexityResult& result, ProgressBar& bar, const StopRequest& stop) {
  const std::span<const int32_t> ids = text.chunk(chunk);
  session.reset();
  for (int64_t first = 0; first < text.context(); first += part) {
    if (stop.requested()) return false;
    const int64_t last = std::min(first + part, text.context());
    score_part(session, text, chunk, first, last, [&](int64_t i, std::span<const float> logits) {
      const auto token = static_cast<size_t>(ids[static_cast<size_t>(i)]);
      const double loss = log_sum_exp(logits) - logits[token];
      result.all.add(loss);
      result.positions.add(i, loss);
    });
    bar.show(chunk * text.context() + last, text.chunks() * text.context(),
             result.all.count() == 0 ? ""
                                     : fmt::format("so far {:.4f} ± {:.4f}",
                                                   result.all.perplexity(), result.all.error()));
  }
  return true;
}

int measure(const PerplexityArguments& arguments) {
  const Model model = open_model(arguments.model);
  const int64_t usual = arguments.by_position ? model.info().context : kUsualContext;
  const int64_t context = arguments.model.context > 0 ? arguments.model.context : usual;
  const ScoredText text(model, arguments.file, context, arguments.chunks,
                        arguments.by_position ? Scored::kAll : Scored::kSecondHalf);
  const SessionOptions options = options_for(text, arguments.model);
  Session session(model, options);
  std::optional<AtomicFile> svg;  // here, so that a wrong path shows before the work
  if (!arguments.svg.empty()) svg.emplace(arguments.svg);
  PerplexityResult result{
      {}, PositionLosses(context), context, text.chunks(), session.cache_type()};
  const StopRequest stop;
  {
    ProgressBar bar("scoring", "tokens");
    for (int64_t chunk = 0; chunk < text.chunks(); ++chunk) {
      if (!score_chunk(session, text, chunk, options.chunk, result, bar, stop)) {
        return kExitInterrupted;
      }
    }
  }
  if (svg) {
    svg->write(perplexity_svg(arguments, result));
    svg->finish();
  }
  write_output(arguments.as_json ? perplexity_json(arguments, result, model.info())
                                 : perplexity_text(arguments, result));
  return kExitDone;
}

}  // namespace

void add_perplexity_command(CLI::App& app, std::function<int()>& action) {
  CLI::App* command =
      app.add_subcommand("perplexity", "Measure how well the model predicts a text");
  const auto arguments = std::make_shared<PerplexityArguments>();
  add_model_argument(*command, arguments->model.path);
  command->add_option("-f,--file", arguments->file, "The text, at least --ctx tokens of it")
      ->type_name("FILE")
      ->required();
  add_threads_option(*command, arguments->model.threads);
  add_context_option(*command, arguments->model.context, 8,
                     "Tokens in a chunk, of which the second half is scored (default: 512; with "
                     "--by-position the model's context)");
  command->add_option("--chunks", arguments->chunks, "Chunks to read (default: all)")
      ->type_name("N")
      ->check(whole_number(1));
  add_window_option(*command, arguments->model.window);
  add_cache_options(*command, arguments->model);
  add_device_option(*command, arguments->model.device);
  add_offload_options(*command, arguments->model);
  CLI::Option* by_position = command->add_flag(
      "--by-position", arguments->by_position,
      "Score all tokens, and say how well by the number of tokens that are before them");
  command->add_option("--svg", arguments->svg, "Also draw the figures of --by-position")
      ->type_name("FILE")
      ->needs(by_position);
  command->add_flag("--json", arguments->as_json, "The figures as JSON");
  command->footer(
      "Prints \"perplexity ± standard error\"; lower is better. The protocol is that of "
      "llama.cpp's\n"
      "llama-perplexity, so the figures compare. --by-position prints a table instead: perplexity "
      "of\n"
      "the tokens with so many before them, and of whole contexts of that length. It scores the "
      "first\n"
      "half of a chunk too, so its figures are higher. Example:\n"
      "  octavo perplexity mixtral.8vo -f proofs.txt --by-position --chunks 10 --svg proofs.svg");
  command->callback([arguments, &action] { action = [arguments] { return measure(*arguments); }; });
}

}  // namespace octavo::cli
