// octavo tokenize: how the model's vocabulary cuts a text up.
#include <fmt/format.h>

#include <memory>

#include "commands.h"
#include "files.h"
#include "octavo/octavo.hpp"
#include "options.h"

namespace octavo::cli {
namespace {

struct TokenizeArguments {
  std::string model;
  TextArguments text;
  bool ids = false;
};

int tokenize(const TokenizeArguments& arguments) {
  const std::string text = read_text(arguments.text);
  const Model model = Model::open(arguments.model);
  const std::vector<int32_t> ids = model.tokenize(text);
  if (arguments.ids) {
    write_output(fmt::format("[{}]\n", fmt::join(ids, ", ")));
    return kExitDone;
  }
  std::string lines;
  for (const int32_t id : ids) lines += fmt::format("{:>6}  {}\n", id, model.piece(id));
  write_output(lines);
  return kExitDone;
}

}  // namespace

void add_tokenize_command(CLI::App& app, std::function<int()>& action) {
  CLI::App* command = app.add_subcommand("tokenize", "Show the tokens of a text");
  const auto arguments = std::make_shared<TokenizeArguments>();
  add_model_argument(*command, arguments->model);
  add_text_options(*command, arguments->text);
  command->add_flag("--ids", arguments->ids,
                    "Print one JSON array of ids (otherwise a line for each token: id and piece)");
  command->footer("The model's begin-of-text token (BOS) comes first.");
  command->callback(
      [arguments, &action] { action = [arguments] { return tokenize(*arguments); }; });
}

}  // namespace octavo::cli
