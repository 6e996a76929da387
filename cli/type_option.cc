#include "type_option.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "octavo/error.hpp"

namespace octavo::cli {
namespace {

CLI::Validator well_formed_rule() {
  const auto check = [](std::string& text) -> std::string {
    try {
      parse_type_rule(text);
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  };
  return CLI::Validator(check, "");
}

}  // namespace

std::string TypeArguments::type_wanted() const { return recipe.empty() ? type : ""; }

std::vector<TypeRule> TypeArguments::rules() const {
  std::vector<TypeRule> rules;
  for (const std::string& text : type_for) rules.push_back(parse_type_rule(text));
  return rules;
}

void add_type_options(CLI::App& command, TypeArguments& arguments) {
  CLI::Option* type = command.add_option("--type", arguments.type, "Format of all matrices")
                          ->type_name("TYPE")
                          ->check(CLI::IsMember(weight_types()));
  if (!arguments.type.empty()) type->capture_default_str();
  command
      .add_option("--recipe", arguments.recipe,
                  fmt::format("A format for each kind of tensor: {}, or a JSON file",
                              fmt::join(ready_recipes(), ", ")))
      ->type_name("NAME")
      ->excludes(type);
  command
      .add_option("--type-for", arguments.type_for,
                  "A format for tensors whose name matches, as in 'layers.[0-3].experts.5.*=q8_0'; "
                  "may be repeated, the last match counts")
      ->type_name("PATTERN=TYPE")
      ->allow_extra_args(false)
      ->check(well_formed_rule());
}

}  // namespace octavo::cli
