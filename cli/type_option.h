// --type, --recipe and --type-for, as the commands that write weights take them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "octavo/convert.hpp"

namespace octavo::cli {

struct TypeArguments {
  std::string type;  ///< the default; empty: none
  std::string recipe;
  std::vector<std::string> type_for;

  /// Empty when a recipe is given.
  std::string type_wanted() const;
  std::vector<TypeRule> rules() const;
};

void add_type_options(CLI::App& command, TypeArguments& arguments);

}  // namespace octavo::cli
