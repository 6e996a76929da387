// octavo calibrate: how large the inputs of each matrix are, for the converter's scale search.
#include <algorithm>

#include "commands.h"
#include "errors.h"
#include "files.h"
#include "octavo/calibrate.hpp"
#include "options.h"
#include "progress.h"
#include "scored_text.h"

namespace octavo::cli {
namespace {

struct CalibrateArguments {
  std::string model, output, floor = "refuse";
  std::vector<std::string> files;
  std::optional<int64_t> window;
  int64_t context = 512, chunks = 0, least = 64;
  int threads = 0;
};

std::string counts_table(const Calibrator& run) {
  std::string text = fmt::format("{} tokens\n\n{:<8}{:>8}{:>12}{:>12}{:>12}\n", run.tokens(),
                                 "layer", "experts", "fewest", "mean", "most");
  const std::vector<std::vector<int64_t>> tokens = run.expert_tokens();
  for (size_t l = 0; l < tokens.size(); ++l) {
    const auto [least, most] = std::minmax_element(tokens[l].begin(), tokens[l].end());
    int64_t sum = 0;
    for (const int64_t count : tokens[l]) sum += count;
    text += fmt::format("{:<8}{:>8}{:>12}{:>12.0f}{:>12}\n", l, tokens[l].size(), *least,
                        static_cast<double>(sum) / static_cast<double>(tokens[l].size()), *most);
  }
  return text;
}

std::string starving_list(const std::vector<StarvingExpert>& experts, int64_t least) {
  if (experts.empty()) return fmt::format("\nevery expert saw {} tokens or more\n", least);
  std::string text = fmt::format("\nexperts that saw fewer than {} tokens:\n", least);
  for (const StarvingExpert& expert : experts) {
    text += fmt::format("  layer {} expert {}: {}\n", expert.layer, expert.expert, expert.tokens);
  }
  return text;
}

[[noreturn]] void refuse(const std::vector<StarvingExpert>& experts, int64_t least) {
  const StarvingExpert& first = experts.front();
  const std::string more =
      experts.size() == 1 ? "" : fmt::format(", and {} more experts too few", experts.size() - 1);
  fail(ErrorCode::kInvalidArgument,
       "layer {} expert {} saw {} tokens, fewer than {}{}; give more text, a smaller --min-tokens, "
       "or --floor force",
       first.layer, first.expert, first.tokens, least, more);
}

void add_texts(Calibrator& calibrator, const Model& model, const CalibrateArguments& arguments) {
  for (const std::string& file : arguments.files) {
    calibrator.add(ScoredText(model, file, arguments.context, arguments.chunks).ids());
  }
}

/// A bar over `work`. False when the user stopped it.
bool watch(const char* label, const std::function<void(const Progress&)>& work) {
  const StopRequest stop;
  ProgressBar bar(label, "tokens");
  try {
    work([&](int64_t done, int64_t total) {
      bar.show(done, total);
      return !stop.requested();
    });
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCancelled) throw;
    return false;
  }
  return true;
}

int calibrate(const CalibrateArguments& arguments) {
  const Model model = Model::open(arguments.model, {.window = arguments.window});
  Calibrator calibrator(
      model,
      {.context = arguments.context, .min_tokens = arguments.least, .threads = arguments.threads});
  add_texts(calibrator, model, arguments);
  const auto observe = [&](const Progress& progress) { calibrator.observe(progress); };
  if (!watch("calibrating", observe)) return kExitInterrupted;
  const std::vector<StarvingExpert> starving = calibrator.starving();
  write_output(counts_table(calibrator) + starving_list(starving, arguments.least));
  if (!starving.empty()) {
    if (arguments.floor == "refuse") refuse(starving, arguments.least);
    const auto force = [&](const Progress& progress) { calibrator.force(progress); };
    if (!watch("forcing", force)) return kExitInterrupted;
    write_output(fmt::format("each was given the tokens that came nearest to it, up to {}\n",
                             arguments.least));
  }
  calibrator.save(arguments.output);
  return kExitDone;
}

}  // namespace

void add_calibrate_command(CLI::App& app, std::function<int()>& action) {
  CLI::App* command = app.add_subcommand(
      "calibrate", "Measure what each matrix is multiplied with, for convert --calibration");
  const auto arguments = std::make_shared<CalibrateArguments>();
  add_model_argument(*command, arguments->model);
  command
      ->add_option("-f,--file", arguments->files,
                   "A text of at least --ctx tokens; may be repeated")
      ->type_name("FILE")
      ->allow_extra_args(false)
      ->required();
  command->add_option("--out", arguments->output, "The file to write")
      ->type_name("OUT.8cal")
      ->required();
  add_context_option(*command, arguments->context, 8, "Tokens in a chunk (default: 512)");
  command->add_option("--chunks", arguments->chunks, "Chunks to read of each file (default: all)")
      ->type_name("N")
      ->check(whole_number(1));
  command
      ->add_option("--min-tokens", arguments->least,
                   "Tokens that every expert must see (default: 64)")
      ->type_name("N")
      ->check(whole_number(0, 1000000));
  command
      ->add_option("--floor", arguments->floor,
                   "What happens to an expert that saw fewer: refuse (default) ends with an error, "
                   "force gives it the tokens that came nearest to it")
      ->type_name("WHAT")
      ->check(CLI::IsMember({"refuse", "force"}));
  add_window_option(*command, arguments->window);
  add_threads_option(*command, arguments->threads);
  command->footer(
      "Use the least quantized model there is (--type bf16 or q8_0) and text like what the model "
      "will\n"
      "read, some 100,000 tokens of it. Example:\n"
      "  octavo calibrate mixtral-q8_0.8vo -f wiki.txt -f code.txt --out mixtral.8cal\n"
      "  octavo convert Mixtral-8x7B-v0.1 --to mixtral.8vo --calibration mixtral.8cal");
  command->callback(
      [arguments, &action] { action = [arguments] { return calibrate(*arguments); }; });
}

}  // namespace octavo::cli
