// --type, as the commands that write weights take it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace octavo::cli {

/// One of the formats' names; `type` holds the default; empty: none.
void add_type_option(CLI::App& command, std::string& type);

}  // namespace octavo::cli
