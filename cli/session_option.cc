#include "session_option.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "errors.h"
#include "options.h"

namespace octavo::cli {
namespace {

/// Before anything is computed that could not be saved in the end.
void check_folder(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (::access(folder.empty() ? "." : folder.c_str(), W_OK) == 0) return;
  fail(ErrorCode::kIo, "cannot write {}: {}", path, std::strerror(errno));
}

}  // namespace

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
  if (!arguments.path.empty()) check_folder(arguments.path);
  if (arguments.path.empty() || !std::filesystem::exists(arguments.path)) {
    return Session(model, options);
  }
  return Session::restore(model, arguments.path, options);
}

}  // namespace octavo::cli
