// The program's commands, one file each. Every function adds one subcommand to `app`; when it was
// chosen, parsing sets `action`, which does the work and returns the exit code or throws
// octavo::Error.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace octavo::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;         ///< one line on stderr says why
inline constexpr int kExitUsage = 2;          ///< the command line is wrong
inline constexpr int kExitInterrupted = 130;  ///< Ctrl-C, as shells count it

void add_convert_command(CLI::App& app, std::function<int()>& action);
void add_export_command(CLI::App& app, std::function<int()>& action);
void add_run_command(CLI::App& app, std::function<int()>& action);
void add_chat_command(CLI::App& app, std::function<int()>& action);
void add_tokenize_command(CLI::App& app, std::function<int()>& action);
void add_eval_command(CLI::App& app, std::function<int()>& action);
void add_perplexity_command(CLI::App& app, std::function<int()>& action);
void add_passkey_command(CLI::App& app, std::function<int()>& action);
void add_compare_command(CLI::App& app, std::function<int()>& action);
void add_calibrate_command(CLI::App& app, std::function<int()>& action);
void add_inspect_command(CLI::App& app, std::function<int()>& action);
void add_synth_command(CLI::App& app, std::function<int()>& action);
void add_bench_command(CLI::App& app, std::function<int()>& action);
/// Not in --help.
void add_completions_command(CLI::App& app, std::function<int()>& action);

}  // namespace octavo::cli
