// octavo synth: random weights in a model's geometry, for measurements.
#include <cstdio>

#include "commands.h"
#include "files.h"
#include "model_summary.h"
#include "octavo/synthesize.hpp"
#include "options.h"
#include "progress.h"
#include "type_option.h"

namespace octavo::cli {
namespace {

struct SynthArguments {
  std::string output, config;
  TypeArguments types = {.type = "q4_0", .recipe = {}, .type_for = {}};
  int64_t layers = 0;  // 0: as the config says
  uint64_t seed = 0;
  int threads = 0;
};

ModelConfig read_config(const std::string& path) {
  return read_checkpoint_config(path, [](const std::string& line) {
    std::fputs(("octavo: " + line + "\n").c_str(), stderr);
  });
}

int run(const SynthArguments& arguments) {
  SynthOptions options;
  options.config = arguments.config.empty() ? mixtral_8x7b_config() : read_config(arguments.config);
  if (arguments.layers > 0) options.config.layers = arguments.layers;
  options.output = arguments.output;
  options.type = arguments.types.type_wanted();
  options.recipe = arguments.types.recipe;
  options.type_for = arguments.types.rules();
  options.seed = arguments.seed;
  options.threads = arguments.threads;
  ConvertSummary summary;
  const int code = run_with_progress("writing", [&](auto progress) {
    options.progress = std::move(progress);
    summary = synthesize(options);
  });
  if (code != kExitDone) return code;
  write_output(summary_text(summary.contents));
  return kExitDone;
}

}  // namespace

void add_synth_command(CLI::App& app, std::function<int()>& action) {
  CLI::App* command = app.add_subcommand(
      "synth", "Write a model of random weights, for measurements (default: Mixtral 8x7B's shape)");
  const auto arguments = std::make_shared<SynthArguments>();
  command->add_option("OUT", arguments->output, "The .8vo file to write")->required();
  command->add_option("--layers", arguments->layers, "Layers (default: as many as the model has)")
      ->type_name("N")
      ->check(CLI::Range(1, 65536));
  add_type_options(*command, arguments->types);
  command
      ->add_option("--config", arguments->config,
                   "A config.json of a Mixtral or Mistral checkpoint to take the shape from")
      ->type_name("FILE");
  command->add_option("--seed", arguments->seed, "The same seed gives the same bytes")
      ->type_name("S")
      ->capture_default_str();
  add_threads_option(*command, arguments->threads);
  command->footer("  octavo synth test.8vo --layers 4 --recipe balanced");
  command->callback([arguments, &action] { action = [arguments] { return run(*arguments); }; });
}

}  // namespace octavo::cli
