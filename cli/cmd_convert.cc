// octavo convert: a checkpoint in, an .8vo out.
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "errors.h"
#include "files.h"
#include "model_summary.h"
#include "octavo/convert.hpp"
#include "options.h"
#include "progress.h"
#include "tensor_table.h"
#include "type_option.h"

namespace octavo::cli {
namespace {

using nlohmann::json;

struct ConvertArguments {
  std::string source, output, calibration;
  TypeArguments types;
  std::optional<int64_t> window;
  bool dry_run = false, as_json = false, resume = false;
  int threads = 0;
};

// "12 tensors Q6_K to q8_0, relative error 0.0004"; a continued run knows that of its own tensors.
std::string requantized_text(const std::vector<Requantized>& list) {
  std::string text;
  for (const Requantized& row : list) {
    text += fmt::format("{} tensor{} {} to {}", row.tensors, row.tensors == 1 ? "" : "s", row.from,
                        row.to);
    if (row.measured > 0) text += fmt::format(", relative error {:.2g}", row.error);
    if (row.measured > 0 && row.measured < row.tensors) {
      text += fmt::format(" in the {} of this run", row.measured);
    }
    text += '\n';
  }
  return text;
}

json plan_json(const ConvertSummary& plan) {
  const ModelContents& contents = plan.contents;
  json tensors = json::array();
  for (const TensorInfo& tensor : contents.tensors) {
    tensors.push_back({{"name", tensor.name},
                       {"source_type", tensor.source_type},
                       {"format", tensor.type},
                       {"shape", {tensor.rows, tensor.cols}},
                       {"bytes", tensor.bytes}});
  }
  return {{"source", contents.source},
          {"type", contents.type},
          {"source_bytes", plan.source_bytes},
          {"bytes", contents.file_bytes},
          {"free_bytes", plan.free_bytes},
          {"window", contents.config.window},
          {"bits_per_weight", contents.bits_per_weight()},
          {"notes", contents.notes},
          {"tensors", std::move(tensors)}};
}

// What would be written, and whether the disk has room for it.
int show_plan(const ConvertOptions& options, bool as_json) {
  const ConvertSummary plan = plan_conversion(options);
  const int64_t bytes = plan.contents.file_bytes;
  if (as_json) {
    write_output(plan_json(plan).dump(1) + "\n");
  } else {
    write_output(summary_text(plan.contents) + requantized_text(plan.requantized) +
                 fmt::format("\ndisk     {} to read, {} to write, {} free\n",
                             size_text(plan.source_bytes), size_text(bytes),
                             size_text(plan.free_bytes)));
  }
  if (bytes <= plan.free_bytes) return kExitDone;
  fail(ErrorCode::kIo, "{} needs {}, its disk has {} free; free some or choose a smaller --type",
       options.output, size_text(bytes), size_text(plan.free_bytes));
}

int run(const ConvertArguments& arguments) {
  ConvertOptions options;
  options.source = arguments.source;
  options.output = arguments.output;
  options.type = arguments.types.type_wanted();
  options.recipe = arguments.types.recipe;
  options.type_for = arguments.types.rules();
  options.window = arguments.window;
  options.calibration = arguments.calibration;
  options.warn = [](const std::string& line) {
    std::fputs(("octavo: " + line + "\n").c_str(), stderr);
  };
  options.threads = arguments.threads;
  options.resume = arguments.resume;
  if (arguments.dry_run) return show_plan(options, arguments.as_json);
  ConvertSummary summary;
  const int code = run_with_progress("converting", [&](auto progress) {
    options.progress = std::move(progress);
    summary = convert(options);
  });
  if (code != kExitDone) return code;
  write_output(summary_text(summary.contents) + requantized_text(summary.requantized));
  return kExitDone;
}

}  // namespace

void add_convert_command(CLI::App& app, std::function<int()>& action) {
  CLI::App* command = app.add_subcommand("convert", "Turn a checkpoint into an .8vo model file");
  const auto arguments = std::make_shared<ConvertArguments>();
  command
      ->add_option("SRC", arguments->source,
                   "Folder with config.json and *.safetensors, or with params.json and "
                   "consolidated*.safetensors, *.pt or *.pth, or a GGUF file (of several, the "
                   "first)")
      ->required();
  command->add_option("--to", arguments->output, "The file to write")
      ->type_name("OUT.8vo")
      ->required();
  add_type_options(*command, arguments->types);
  add_window_option(*command, arguments->window,
                    "the source's; none for a mixture, whatever its source says");
  command
      ->add_option("--calibration", arguments->calibration,
                   "Weight the scale search with what octavo calibrate measured")
      ->type_name("FILE.8cal");
  CLI::Option* dry_run =
      command->add_flag("--dry-run", arguments->dry_run,
                        "Check the source and the disk, say what would be written, write nothing");
  command->add_flag("--json", arguments->as_json, "With --dry-run: every tensor, as JSON")
      ->needs(dry_run);
  command
      ->add_flag("--resume", arguments->resume,
                 "Go on where an interrupted run with the same options stopped")
      ->excludes(dry_run);
  add_threads_option(*command, arguments->threads);
  command->footer(
      "Without --type and --recipe: q4_k, but a source that is quantized keeps its own types.\n"
      "q4_k (4.5 bits a weight) is the usual choice; q8_0 (8.5 bits) is close to the original.\n"
      "After Ctrl-C, a crash or a power cut the same command with --resume goes on and gives the "
      "same\n"
      "bytes; until then OUT.8vo.part and OUT.8vo.part.journal hold what is done.\n\n"
      "  octavo convert Mixtral-8x7B-Instruct-v0.1 --to mixtral.8vo --recipe balanced \\\n"
      "    --type-for 'layers.[28-].experts.{2,5}.*=q8_0' --dry-run");
  command->callback([arguments, &action] { action = [arguments] { return run(*arguments); }; });
}

}  // namespace octavo::cli
