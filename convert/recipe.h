// Which tensor gets which type: ready recipes, recipe files, single rules.
#pragma once

#include <string>
#include <vector>

#include "io/model_file.h"
#include "octavo/convert.hpp"

namespace octavo {

/// Rules in order: of those that match a tensor the last one counts. Norms and routers are f32
/// whatever a pattern matches.
struct Recipe {
  std::string name;  ///< for people
  std::vector<TypeRule> rules;
};

/// What make_recipe takes for options that name a type, a recipe or, for `otherwise`, neither.
/// Throws Error(kInvalidArgument) for both, and Error(kUnsupported) for a type that there is not.
std::string recipe_wanted(const std::string& type, const std::string& recipe,
                          const std::string& otherwise);

/// `which` is a type's name (all matrices), a ready recipe's or a JSON file's; empty: no rules, the
/// name is "source". Then `more` are added. Throws Error, naming recipe and rule.
Recipe make_recipe(const std::string& which, const std::vector<TypeRule>& more,
                   const ModelConfig& config);

/// The type of each tensor of `plan`, empty where no rule matches. Throws Error(kInvalidArgument)
/// for a rule that matches no tensor, or norms and routers alone.
std::vector<std::string> apply_rules(const std::vector<TypeRule>& rules,
                                     const std::vector<TensorEntry>& plan);

/// The format of that name. Throws Error(kUnsupported) with the names that there are.
Format format_named(const std::string& type);

}  // namespace octavo
