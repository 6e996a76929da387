// octavo convert: a checkpoint in, an .8vo out.
#include "commands.h"
#include "convert/convert.h"
#include "files.h"
#include "model_summary.h"
#include "options.h"
#include "progress.h"
#include "type_option.h"

namespace octavo::cli {
namespace {

struct ConvertArguments {
  std::string source, output, type;
  bool dry_run = false;
  int threads = 0;
};

int run(const ConvertArguments& arguments) {
  ConvertOptions options;
  options.source = arguments.source;
  options.output = arguments.output;
  options.format = parse_format(arguments.type);
  options.threads = arguments.threads;
  ConvertSummary summary;
  if (arguments.dry_run) {
    summary = plan_conversion(options);
  } else {
    const int code = run_with_progress("converting", [&](auto progress) {
      options.progress = std::move(progress);
      summary = convert(options);
    });
    if (code != kExitDone) return code;
  }
  write_output(summary_text(summary.directory, summary.output_bytes));
  return kExitDone;
}

}  // namespace

void add_convert_command(CLI::App& app, std::function<int()>& action) {
  CLI::App* command = app.add_subcommand("convert", "Turn a checkpoint into an .8vo model file");
  const auto arguments = std::make_shared<ConvertArguments>();
  command
      ->add_option("SRC", arguments->source,
                   "Folder with config.json and *.safetensors, or with params.json and "
                   "consolidated*.safetensors, *.pt or *.pth")
      ->required();
  command->add_option("--to", arguments->output, "The file to write")
      ->type_name("OUT.8vo")
      ->required();
  add_type_option(*command, arguments->type);
  command->add_flag("--dry-run", arguments->dry_run,
                    "Check the source and say what would be written");
  add_threads_option(*command, arguments->threads);
  command->footer(
      "Without --type: q4_k, but a source that is quantized keeps its own types.\n"
      "q4_k (4.5 bits a weight) is the usual choice; q8_0 (8.5 bits) is close to the original.\n"
      "Ctrl-C leaves nothing behind.");
  command->callback([arguments, &action] { action = [arguments] { return run(*arguments); }; });
}

}  // namespace octavo::cli
