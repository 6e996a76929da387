// Which tensor gets which type: ready recipes, recipe files, single rules.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/model_file.h"

namespace octavo {

/// Tensors whose name the pattern matches get the type. Patterns are those of TensorPattern.
struct TypeRule {
  std::string pattern;
  std::string type;  ///< a format's name
};

/// Reads "PATTERN=TYPE". Throws Error(kInvalidArgument) for text that is not of that form.
TypeRule parse_type_rule(std::string_view text);

/// Rules in order: of those that match a tensor the last one counts. Norms and routers are f32
/// whatever a pattern matches.
struct Recipe {
  std::string name;  ///< for people
  std::vector<TypeRule> rules;
};

/// Names of the recipes that come with the program, those of single types aside.
const std::vector<std::string_view>& ready_recipes();

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
