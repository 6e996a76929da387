#include "options.h"

#include <fmt/format.h>

#include "files.h"

namespace octavo::cli {
namespace {

/// No description, so that help stays readable; an empty answer means valid.
CLI::Validator validator(std::function<std::string(std::string&)> check) {
  return CLI::Validator(std::move(check), "");
}

}  // namespace

CLI::Validator between(double least, double most) {
  return validator([least, most](std::string& text) -> std::string {
    double value = 0;
    const bool is_number = CLI::detail::lexical_cast(text, value);
    if (is_number && value >= least && value <= most) return {};  // NaN is not
    return fmt::format("{} is no number between {} and {}", text, least, most);
  });
}

CLI::Validator whole_number(int64_t least, int64_t most) {
  return validator([least, most](std::string& text) -> std::string {
    int64_t value = 0;
    const bool is_number = CLI::detail::lexical_cast(text, value);
    if (is_number && value >= least && value <= most) return {};
    return fmt::format("{} is no whole number between {} and {}", text, least, most);
  });
}

void add_model_argument(CLI::App& command, std::string& path) {
  command.add_option("MODEL", path, "The model, an .8vo file")->required()->type_name("");
}

void add_threads_option(CLI::App& command, int& threads) {
  command.add_option("-t,--threads", threads, "Threads to compute with (default: all processors)")
      ->type_name("N")
      ->check(whole_number(1, 1024));
}

void add_context_option(CLI::App& command, int64_t& context, int64_t least,
                        const std::string& help) {
  command.add_option("--ctx", context, help)->type_name("N")->check(whole_number(least));
}

void add_window_option(CLI::App& command, std::optional<int64_t>& window,
                       const std::string& fallback) {
  command
      .add_option("--window", window,
                  "Sliding window: keys that a token sees, itself included; 0: all before it "
                  "(default: " +
                      fallback + ")")
      ->type_name("N")
      ->check(whole_number(0));
}

void add_text_options(CLI::App& command, TextArguments& arguments) {
  CLI::Option* text = command.add_option("-p,--prompt", arguments.text, "The text itself");
  text->type_name("TEXT");
  CLI::Option* file =
      command.add_option("-f,--file", arguments.file, "Read the text from a file, byte for byte");
  file->type_name("FILE")->excludes(text);
  // Runs after parsing: a command line with neither is wrong.
  command.parse_complete_callback([text, file, &arguments] {
    if (text->empty() && file->empty()) throw CLI::RequiredError("-p TEXT or -f FILE");
    arguments.from_file = !file->empty();
  });
}

ModelOptions model_options(const ModelArguments& arguments) {
  ModelOptions options;
  options.window = arguments.window;
  return options;
}

SessionOptions session_options(const ModelArguments& arguments) {
  SessionOptions options;
  options.context = arguments.context;
  options.threads = arguments.threads;
  return options;
}

std::string read_text(const TextArguments& arguments) {
  return arguments.from_file ? read_file(arguments.file) : arguments.text;
}

}  // namespace octavo::cli
