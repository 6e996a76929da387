// octavo export: a model file as GGUF, for other programs.
#include <fmt/format.h>

#include "commands.h"
#include "files.h"
#include "octavo/convert.hpp"
#include "options.h"
#include "progress.h"
#include "tensor_table.h"

namespace octavo::cli {
namespace {

struct ExportArguments {
  std::string model, output;
  int threads = 0;
};

std::string export_text(const ExportSummary& summary, const std::string& output) {
  std::string text = fmt::format("written  {}, {} in {} tensors, GGUF of architecture llama\n",
                                 output, size_text(summary.output_bytes), summary.tensors);
  for (const TypeTotals& type : summary.types) {
    text += fmt::format("{:<8} {} tensors, {}\n", type.type, type.tensors, size_text(type.bytes));
  }
  for (const std::string& note : summary.notes) text += fmt::format("note     {}\n", note);
  return text;
}

int run(const ExportArguments& arguments) {
  ExportOptions options;
  options.model = arguments.model;
  options.output = arguments.output;
  options.threads = arguments.threads;
  ExportSummary summary;
  const int code = run_with_progress("exporting", [&](auto progress) {
    options.progress = std::move(progress);
    summary = export_gguf(options);
  });
  if (code != kExitDone) return code;
  write_output(export_text(summary, arguments.output));
  return kExitDone;
}

}  // namespace

void add_export_command(CLI::App& app, std::function<int()>& action) {
  CLI::App* command =
      app.add_subcommand("export", "Turn an .8vo model file into GGUF, for other programs");
  const auto arguments = std::make_shared<ExportArguments>();
  add_model_argument(*command, arguments->model);
  command->add_option("--to", arguments->output, "The file to write")
      ->type_name("OUT.gguf")
      ->required();
  add_threads_option(*command, arguments->threads);
  command->footer(
      "The weights are those of the model, bit by bit; what GGUF cannot store in the model's type\n"
      "becomes f32, and a note says so. Ctrl-C leaves nothing behind.");
  command->callback([arguments, &action] { action = [arguments] { return run(*arguments); }; });
}

}  // namespace octavo::cli
