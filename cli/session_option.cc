#include "session_option.h"

#include <filesystem>

#include "options.h"

namespace octavo::cli {

void add_session_options(CLI::App& command, SessionArguments& arguments, const std::string& help) {
  command.add_option("--session", arguments.path, help)->type_name("FILE");
  CLI::Option* shift = command.add_flag(
      "--context-shift", arguments.context_shift,
      "When the context is full, forget the older half of the tokens and go on; the first --keep "
      "stay");
  command
      .add_option("--keep", arguments.keep,
                  "Tokens at the beginning that --context-shift never forgets")
      ->type_name("N")
      ->check(whole_number(0))
      ->needs(shift)
      ->capture_default_str();
}

void apply(const SessionArguments& arguments, SessionOptions& options) {
  options.context_shift = arguments.context_shift;
  options.keep = arguments.keep;
}

Session open_session(const Model& model, const SessionArguments& arguments,
                     const SessionOptions& options) {
  if (arguments.path.empty() || !std::filesystem::exists(arguments.path)) {
    return Session(model, options);
  }
  return Session::restore(model, arguments.path, options);
}

}  // namespace octavo::cli
