// How tokens are chosen, for the commands that generate text.
#pragma once

#include <CLI/CLI.hpp>

#include "octavo/octavo.hpp"

namespace octavo::cli {

/// All stages of docs/sampling.md, in groups. `sampling` must outlive the command.
void add_sampling_options(CLI::App& command, SamplingOptions& sampling);
/// --speculate auto|on|off.
void add_speculation_option(CLI::App& command, Speculation& speculation);
/// Without --seed on the command line: a random one.
void draw_seed(const CLI::App& command, SamplingOptions& sampling);
/// Parsing leaves the file's name in `grammar` and `json_schema`; this reads it, and checks all
/// values. Throws Error.
void finish_sampling_options(SamplingOptions& sampling);

}  // namespace octavo::cli
