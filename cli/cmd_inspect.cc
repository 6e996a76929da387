// octavo inspect: what a model file holds, and whether it is whole.
#include <nlohmann/json.hpp>

#include "commands.h"
#include "core/error.h"
#include "files.h"
#include "io/model_file.h"
#include "model_summary.h"
#include "options.h"
#include "progress.h"

namespace octavo::cli {
namespace {

using nlohmann::json;

struct InspectArguments {
  std::string path;
  bool as_json = false, verify = false;
  int threads = 0;
};

json tensors_json(const ModelDirectory& directory) {
  json list = json::array();
  for (const TensorEntry& entry : directory.tensors) {
    list.push_back({{"name", entry.name},
                    {"format", format_name(entry.format)},
                    {"shape", {entry.rows, entry.cols}},
                    {"offset", entry.offset},
                    {"bytes", entry.bytes},
                    {"checksum", fmt::format("{:016x}", entry.checksum)}});
  }
  return list;
}

json map_json(const ModelDirectory& directory) {
  json list = json::array();
  for (const FileExtent& extent : file_map(directory)) {
    list.push_back({{"name", extent.name}, {"offset", extent.offset}, {"bytes", extent.bytes}});
  }
  return list;
}

json model_json(const ModelFile& file) {
  const ModelDirectory& directory = file.directory();
  const ModelTotals totals = total(directory);
  json formats = json::object();
  for (const auto& [name, format] : totals.formats) {
    formats[name] = {
        {"tensors", format.tensors}, {"weights", format.weights}, {"bytes", format.bytes}};
  }
  return {{"path", file.path()},
          {"bytes", file.size()},
          {"version", kModelVersion},
          {"config", to_json(directory.config)},
          {"type", directory.requested_format},
          {"source", directory.source},
          {"has_tokenizer", !directory.tokenizer.empty()},
          {"has_chat_template", !directory.chat_template.empty()},
          {"weights", totals.weights},
          {"active_weights", totals.active_weights},
          {"bits_per_weight", totals.bits_per_weight()},
          {"formats", std::move(formats)},
          {"file_map", map_json(directory)},
          {"notes", directory.notes},
          {"tensors", tensors_json(directory)}};
}

// Throws when a checksum differs: the exit code says so too.
void verify(const ModelFile& file, int threads, const ModelFile::Progress& progress) {
  const std::vector<std::string> damaged = file.verify(threads, progress);
  if (damaged.empty()) return;
  fail(ErrorCode::kFormat,
       "{}: {} of {} tensors are damaged, the first is {}; copy or convert it "
       "again",
       file.path(), damaged.size(), file.directory().tensors.size(), damaged.front());
}

int run(const InspectArguments& arguments) {
  const ModelFile file(arguments.path);
  if (arguments.verify) {
    const int code = run_with_progress(
        "checking", [&](auto progress) { verify(file, arguments.threads, progress); });
    if (code != kExitDone) return code;
  }
  const ModelDirectory& directory = file.directory();
  if (arguments.as_json) {
    json report = model_json(file);
    if (arguments.verify) report["verified"] = true;
    write_output(report.dump(1) + "\n");
    return kExitDone;
  }
  std::string text = summary_text(directory, file.size());
  text += "\n" + formats_text(directory) + "\n" + file_map_text(directory);
  if (arguments.verify) {
    text += fmt::format("\nverified {} checksums are right\n", directory.tensors.size());
  }
  write_output(text);
  return kExitDone;
}

}  // namespace

void add_inspect_command(CLI::App& app, std::function<int()>& action) {
  CLI::App* command = app.add_subcommand("inspect", "Show what a model file holds");
  const auto arguments = std::make_shared<InspectArguments>();
  add_model_argument(*command, arguments->path);
  command->add_flag("--json", arguments->as_json, "Everything, tensor by tensor, as JSON");
  command->add_flag("--verify", arguments->verify, "Read the whole file and check every checksum");
  add_threads_option(*command, arguments->threads);
  command->footer("  octavo inspect mixtral.8vo --verify");
  command->callback([arguments, &action] { action = [arguments] { return run(*arguments); }; });
}

}  // namespace octavo::cli
