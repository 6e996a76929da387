// octavo: one program, one subcommand a file.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "commands.h"
#include "octavo/error.hpp"

namespace octavo::cli {
namespace {

/// Prints "octavo: MESSAGE" as one line.
void print_error(std::string message) {
  while (!message.empty() && message.back() == '\n') message.pop_back();
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::fputs(("octavo: " + message + "\n").c_str(), stderr);
}

void add_commands(CLI::App& app, std::function<int()>& action) {
  add_convert_command(app, action);
  add_export_command(app, action);
  add_run_command(app, action);
  add_chat_command(app, action);
  add_tokenize_command(app, action);
  add_eval_command(app, action);
  add_perplexity_command(app, action);
  add_passkey_command(app, action);
  add_compare_command(app, action);
  add_calibrate_command(app, action);
  add_inspect_command(app, action);
  add_synth_command(app, action);
  add_bench_command(app, action);
  add_completions_command(app, action);
}

int run_action(const std::function<int()>& action) {
  try {
    return action();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) return kExitInterrupted;
    print_error(error.what());
  } catch (const std::bad_alloc&) {
    print_error("out of memory; a smaller --ctx or a smaller model needs less");
  } catch (const std::exception& error) {
    print_error(error.what());
  }
  return kExitFailed;
}

int main(int argc, char** argv) {
  // `octavo run ... | head` ends quietly, whatever the parent process did to the signal.
  std::signal(SIGPIPE, SIG_DFL);
  CLI::App app{"Runs Mixtral 8x7B and Mistral 7B on an ordinary computer, without a GPU.",
               "octavo"};
  app.set_version_flag("--version", std::string("octavo ") + OCTAVO_VERSION);
  app.require_subcommand(0, 1);
  app.footer(
      "Start here:\n"
      "  octavo convert path/to/Mixtral-8x7B-Instruct-v0.1 --to mixtral.8vo   once\n"
      "  octavo run mixtral.8vo -p \"The capital of France is\" -n 32\n"
      "  octavo chat mixtral.8vo\n\n"
      "`octavo COMMAND --help` explains a command. Results go to standard output, everything else "
      "to\n"
      "standard error. Exit codes: 0 done, 1 failed (one line says why), 2 the command line is "
      "wrong.");
  std::function<int()> action;
  add_commands(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    print_error(std::string(error.what()) + " (--help explains)");
    return kExitUsage;
  }
  if (!action) {
    std::fputs(app.help().c_str(), stderr);
    return kExitUsage;
  }
  return run_action(action);
}

}  // namespace
}  // namespace octavo::cli

int main(int argc, char** argv) { return octavo::cli::main(argc, argv); }
