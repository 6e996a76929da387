// octavo inspect: what a model file holds, and whether it is whole.
#include <nlohmann/json.hpp>

#include "commands.h"
#include "errors.h"
#include "files.h"
#include "model_summary.h"
#include "octavo/inspect.hpp"
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

json tensors_json(const ModelContents& contents) {
  json list = json::array();
  for (const TensorInfo& tensor : contents.tensors) {
    list.push_back({{"name", tensor.name},
                    {"format", tensor.type},
                    {"shape", {tensor.rows, tensor.cols}},
                    {"offset", tensor.offset},
                    {"bytes", tensor.bytes},
                    {"checksum", fmt::format("{:016x}", tensor.checksum)}});
  }
  return list;
}

json map_json(const ModelContents& contents) {
  json list = json::array();
  for (const FileExtent& extent : file_map(contents)) {
    list.push_back({{"name", extent.name}, {"offset", extent.offset}, {"bytes", extent.bytes}});
  }
  return list;
}

json model_json(const std::string& path, const ModelContents& contents) {
  json formats = json::object();
  for (const TypeTotals& type : contents.types) {
    formats[type.type] = {
        {"tensors", type.tensors}, {"weights", type.weights}, {"bytes", type.bytes}};
  }
  return {{"path", path},
          {"bytes", contents.file_bytes},
          {"version", contents.version},
          {"config", json::parse(config_json(contents.config))},
          {"type", contents.type},
          {"source", contents.source},
          {"has_tokenizer", contents.tokenizer_bytes > 0},
          {"has_chat_template", !contents.chat_template.empty()},
          {"weights", contents.weights},
          {"active_weights", contents.active_weights},
          {"bits_per_weight", contents.bits_per_weight()},
          {"formats", std::move(formats)},
          {"file_map", map_json(contents)},
          {"notes", contents.notes},
          {"tensors", tensors_json(contents)}};
}

// Throws when a checksum differs: the exit code says so too.
void check(const InspectArguments& arguments, size_t tensors, Progress progress) {
  const std::vector<std::string> damaged =
      verify(arguments.path, {.threads = arguments.threads, .progress = std::move(progress)});
  if (damaged.empty()) return;
  fail(ErrorCode::kFormat,
       "{}: {} of {} tensors are damaged, the first is {}; copy or convert it "
       "again",
       arguments.path, damaged.size(), tensors, damaged.front());
}

int run(const InspectArguments& arguments) {
  const ModelContents contents = inspect(arguments.path);
  if (arguments.verify) {
    const int code = run_with_progress("checking", [&](Progress progress) {
      check(arguments, contents.tensors.size(), std::move(progress));
    });
    if (code != kExitDone) return code;
  }
  if (arguments.as_json) {
    json report = model_json(arguments.path, contents);
    if (arguments.verify) report["verified"] = true;
    write_output(report.dump(1) + "\n");
    return kExitDone;
  }
  std::string text = summary_text(contents);
  text += "\n" + formats_text(contents) + "\n" + file_map_text(contents);
  if (arguments.verify) {
    text += fmt::format("\nverified {} checksums are right\n", contents.tensors.size());
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
