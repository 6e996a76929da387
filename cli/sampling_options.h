// How tokens are chosen, for the commands that generate text.
#pragma once

#include <CLI/CLI.hpp>

#include "octavo/octavo.hpp"

namespace octavo::cli {

/// --temp, --top-k, --top-p, --min-p, --repeat-penalty and --seed.
void add_sampling_options(CLI::App& command, SamplingOptions& sampling);
/// Without --seed on the command line: a random one.
void draw_seed(const CLI::App& command, SamplingOptions& sampling);

}  // namespace octavo::cli
