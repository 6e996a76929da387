#include "convert/recipe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "convert/source_layout.h"
#include "convert/tensor_pattern.h"
#include "core/error.h"
#include "io/json_fields.h"
#include "io/printable.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// llama.cpp gives more bits to the first and last eighth of the layers and to every third between.
std::string layers_with_more_bits(int64_t layers) {
  std::vector<int64_t> chosen;
  for (int64_t layer = 0; layer < layers; ++layer) {
    const int64_t eighth = layers / 8;
    if (layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2) {
      chosen.push_back(layer);
    }
  }
  return fmt::format("layers.[{}].", fmt::join(chosen, ","));
}

// What llama.cpp's Q4_K_M means for this shape.
std::vector<TypeRule> q4_k_m(const ModelConfig& config) {
  const std::string more = layers_with_more_bits(config.layers);
  std::vector<TypeRule> rules = {{"*", "q4_k"},
                                 {config.tied_output ? "embedding" : "output", "q6_k"},
                                 {more + "experts.*.w2", "q6_k"}};
  if (config.experts == 8) {
    rules.push_back({"layers.*.{wk,wv}", "q8_0"});
    rules.push_back({"layers.*.wo", "q5_k"});
  } else {
    rules.push_back({more + "wv", "q6_k"});
  }
  return rules;
}

// The experts are nearly all of the weights, the rest is used for every token.
std::vector<TypeRule> balanced(const ModelConfig&) {
  return {{"*", "q8_0"}, {"layers.*.experts.*", "q4_k"}};
}

struct ReadyRecipe {
  std::string_view name;
  std::vector<TypeRule> (*rules)(const ModelConfig& config);
};
constexpr ReadyRecipe kReady[] = {{"q4_k_m", q4_k_m}, {"balanced", balanced}};

bool is_fixed(const TensorEntry& entry) {
  return entry.order == Order::kPlain || entry.name.ends_with(".router");
}

std::string format_names() { return fmt::format("{}", fmt::join(weight_types(), ", ")); }

void check_keys(const json& object, const std::vector<std::string_view>& known,
                const std::string& where) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    fail(ErrorCode::kFormat, "{}: unknown entry \"{}\"; expected {}", where, printable(key),
         fmt::join(known, ", "));
  }
}

// A type's or a ready recipe's rules; false when there is none of that name.
bool add_known(const std::string& which, const ModelConfig& config, std::vector<TypeRule>& rules) {
  if (parse_format(which)) {
    rules.push_back({"*", which});
    return true;
  }
  for (const ReadyRecipe& ready : kReady) {
    if (ready.name == which) {
      rules = ready.rules(config);
      return true;
    }
  }
  return false;
}

Recipe read_recipe(const std::string& path, const ModelConfig& config) {
  const json root = read_json_file(path);
  const JsonFields fields(root, path);
  check_keys(root, {"name", "base", "rules"}, path);
  Recipe recipe;
  recipe.name = fields.has("name") ? fields.string("name") : fs::path(path).stem().string();
  const std::string base = fields.has("base") ? fields.string("base") : std::string();
  if (!base.empty() && !add_known(base, config, recipe.rules)) {
    fail(ErrorCode::kUnsupported, "{}: base \"{}\" is neither a type ({}) nor a ready recipe ({})",
         path, printable(base), format_names(), fmt::join(ready_recipes(), ", "));
  }
  int number = 0;
  for (const json& rule : fields.array("rules")) {
    const std::string where = fmt::format("{}, rule {}", path, ++number);
    const JsonFields rule_fields(rule, where);
    check_keys(rule, {"tensors", "type"}, where);
    recipe.rules.push_back({rule_fields.string("tensors"), rule_fields.string("type")});
  }
  return recipe;
}

}  // namespace

TypeRule parse_type_rule(std::string_view text) {
  const size_t equals = text.rfind('=');
  if (equals == text.npos || equals == 0 || equals + 1 == text.size()) {
    fail(ErrorCode::kInvalidArgument, "{} is not PATTERN=TYPE, as in layers.*.wq=q8_0",
         printable(text));
  }
  TypeRule rule = {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
  const TensorPattern well_formed(rule.pattern);
  if (!parse_format(rule.type)) {
    fail(ErrorCode::kInvalidArgument, "{} is no type; there are {}", printable(rule.type),
         format_names());
  }
  return rule;
}

std::vector<std::string> weight_types() {
  std::vector<std::string> names;
  for (const Format format : all_formats()) names.emplace_back(format_name(format));
  return names;
}

std::vector<std::string> ready_recipes() {
  std::vector<std::string> names;
  for (const ReadyRecipe& ready : kReady) names.emplace_back(ready.name);
  return names;
}

std::string recipe_wanted(const std::string& type, const std::string& recipe,
                          const std::string& otherwise) {
  if (type.empty()) return recipe.empty() ? otherwise : recipe;
  if (!recipe.empty()) {
    fail(ErrorCode::kInvalidArgument, "type {} and recipe {}: give one of the two", printable(type),
         printable(recipe));
  }
  return std::string(format_name(format_named(type)));
}

Recipe make_recipe(const std::string& which, const std::vector<TypeRule>& more,
                   const ModelConfig& config) {
  Recipe recipe;
  recipe.name = which.empty() ? "source" : which;
  if (!which.empty() && !add_known(which, config, recipe.rules)) {
    if (!is_present(which)) {
      fail(ErrorCode::kInvalidArgument,
           "{} is no recipe: neither a file nor one of {}, nor a type ({})", printable(which),
           fmt::join(ready_recipes(), ", "), format_names());
    }
    recipe = read_recipe(which, config);
  }
  for (const TypeRule& rule : more) {
    recipe.name += fmt::format(" + {}={}", rule.pattern, rule.type);
    recipe.rules.push_back(rule);
  }
  return recipe;
}

std::vector<std::string> apply_rules(const std::vector<TypeRule>& rules,
                                     const std::vector<TensorEntry>& plan) {
  std::vector<std::string> types(plan.size());
  for (const TypeRule& rule : rules) {
    const TensorPattern pattern(rule.pattern);
    bool matched = false, changed = false;
    for (size_t i = 0; i < plan.size(); ++i) {
      if (!pattern.matches(plan[i].name)) continue;
      matched = true;
      if (is_fixed(plan[i])) continue;
      changed = true;
      types[i] = rule.type;
    }
    if (changed) continue;
    if (matched) {
      fail(ErrorCode::kInvalidArgument,
           "rule {}={}: norms and routers are always f32, and it names nothing else",
           printable(rule.pattern), printable(rule.type));
    }
    fail(ErrorCode::kInvalidArgument,
         "rule {}={} names no tensor of this model; names are like {} and {}, `--dry-run --json` "
         "lists them",
         printable(rule.pattern), printable(rule.type), plan.front().name, plan[2].name);
  }
  return types;
}

Format format_named(const std::string& type) {
  const std::optional<Format> format = parse_format(type);
  if (format) return *format;
  fail(ErrorCode::kUnsupported, "unknown type {}; there are {}", printable(type), format_names());
}

}  // namespace octavo
