// octavo eval: the logits of given tokens, for comparison with other programs.
#include <fmt/format.h>

#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "errors.h"
#include "files.h"
#include "octavo/octavo.hpp"
#include "options.h"

namespace octavo::cli {
namespace {

struct EvalArguments {
  ModelArguments model;
  std::string ids;
  std::string logits;
};

/// A JSON array of ids, checked against the vocabulary.
std::vector<int32_t> read_ids(const std::string& path, int64_t vocab) {
  const std::string bytes = read_file(path);
  const nlohmann::json json = nlohmann::json::parse(bytes, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array()) {
    fail(ErrorCode::kFormat, "{} is no JSON array of ids such as [1, 415, 5565]", path);
  }
  if (json.empty()) fail(ErrorCode::kInvalidArgument, "{} holds no ids", path);
  std::vector<int32_t> ids;
  ids.reserve(json.size());
  for (const nlohmann::json& entry : json) {
    const bool is_id =
        entry.is_number_unsigned() && entry.get<uint64_t>() < static_cast<uint64_t>(vocab);
    if (!is_id) {
      fail(ErrorCode::kInvalidArgument, "{}: entry {} is no id of this model (0 to {})", path,
           ids.size(), vocab - 1);
    }
    ids.push_back(entry.get<int32_t>());
  }
  return ids;
}

/// Header of a NumPy 1.0 file of float32 [rows, cols], little-endian, C order.
std::string npy_header(int64_t rows, int64_t cols) {
  std::string dictionary =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, cols);
  constexpr size_t kPrefixBytes = 10;  // magic, version, length of what follows
  const size_t used = kPrefixBytes + dictionary.size() + 1;
  dictionary.append((64 - used % 64) % 64, ' ').append(1, '\n');
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(dictionary.size() & 0xFF);
  header += static_cast<char>(dictionary.size() >> 8);
  return header + dictionary;
}

int evaluate(const EvalArguments& arguments) {
  const Model model = open_model(arguments.model);
  const int64_t vocab = model.info().vocab;
  const std::vector<int32_t> ids = read_ids(arguments.ids, vocab);
  Session session(model, session_options(arguments.model));
  const int64_t count = static_cast<int64_t>(ids.size());
  if (count > session.context()) {
    fail(ErrorCode::kOutOfRange, "{} holds {} ids, but the context is {} tokens", arguments.ids,
         count, session.context());
  }
  AtomicFile file(arguments.logits);
  const std::string header = npy_header(count, vocab);
  file.write(std::as_bytes(std::span(header)));
  session.evaluate(ids, 0, [&file](int64_t, std::span<const float> logits) {
    file.write(std::as_bytes(logits));
  });
  file.finish();
  return kExitDone;
}

}  // namespace

void add_eval_command(CLI::App& app, std::function<int()>& action) {
  CLI::App* command = app.add_subcommand("eval", "Write the logits of given tokens");
  const auto arguments = std::make_shared<EvalArguments>();
  add_model_argument(*command, arguments->model.path);
  command->add_option("--ids", arguments->ids, "A file with a JSON array of token ids")
      ->type_name("FILE")
      ->required();
  command
      ->add_option("--logits", arguments->logits,
                   "Where to write them: NumPy's .npy, float32 [tokens, vocabulary]")
      ->type_name("OUT.npy")
      ->required();
  add_threads_option(*command, arguments->model.threads);
  add_context_option(*command, arguments->model.context, 1,
                     "Tokens that fit (default: the model's own)");
  add_window_option(*command, arguments->model.window);
  add_cache_options(*command, arguments->model);
  add_device_option(*command, arguments->model.device);
  add_offload_options(*command, arguments->model);
  command->footer("Row i holds the logits after token i, each token seeing those before it.");
  command->callback(
      [arguments, &action] { action = [arguments] { return evaluate(*arguments); }; });
}

}  // namespace octavo::cli
