// Completion scripts for shells, made from the program's own table of commands and options.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace octavo::cli {

std::string bash_completions(const CLI::App& app);
std::string zsh_completions(const CLI::App& app);
std::string fish_completions(const CLI::App& app);

}  // namespace octavo::cli
