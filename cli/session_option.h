// --session, --context-shift and what goes with them.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "octavo/octavo.hpp"

namespace octavo::cli {

struct SessionArguments {
  std::string path;  ///< empty: none
  bool context_shift = false;
  int64_t keep = SessionOptions{}.keep;
};

/// --session FILE with `help`, --context-shift and --keep N.
void add_session_options(CLI::App& command, SessionArguments& arguments, const std::string& help);

/// Adds what the arguments say to `options`.
void apply(const SessionArguments& arguments, SessionOptions& options);

/// The session in the file; a new one where there is no file or no --session. Throws Error for a
/// file that does not fit.
Session open_session(const Model& model, const SessionArguments& arguments,
                     const SessionOptions& options);

}  // namespace octavo::cli
