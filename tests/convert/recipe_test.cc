// Which tensor gets which type.
#include "convert/recipe.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "convert/checkpoint_tools.h"
#include "io/small_model.h"

namespace octavo::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

ModelConfig config_of(int64_t layers, int64_t experts) {
  ModelConfig config = small_config();
  config.layers = layers;
  config.experts = experts;
  config.experts_per_token = std::min<int64_t>(experts, 2);
  if (experts == 0) config.architecture = "mistral";
  return config;
}

/// Type by tensor name.
std::map<std::string, std::string> types_of(const Recipe& recipe, const ModelConfig& config) {
  const std::vector<TensorEntry> plan = tensor_plan(config);
  const std::vector<std::string> types = apply_rules(recipe.rules, plan);
  std::map<std::string, std::string> result;
  for (size_t i = 0; i < plan.size(); ++i) result[plan[i].name] = types[i];
  return result;
}

std::map<std::string, std::string> types_of(const std::string& which,
                                            const std::vector<TypeRule>& more,
                                            const ModelConfig& config) {
  return types_of(make_recipe(which, more, config), config);
}

TEST(Recipe, ATypeIsForAllMatrices) {
  const auto types = types_of("q8_0", {}, config_of(2, 4));
  for (const auto& [name, type] : types) {
    const bool fixed = name.ends_with("norm") || name.ends_with("router");
    EXPECT_EQ(type, fixed ? "" : "q8_0") << name;
  }
}

TEST(Recipe, LaterRulesWin) {
  const auto types = types_of(
      "q4_0",
      {{"layers.[1-].experts.*", "q8_0"}, {"layers.1.experts.3.w2", "bf16"}, {"output", "f16"}},
      config_of(2, 4));
  EXPECT_EQ(types.at("layers.0.experts.3.w2"), "q4_0");
  EXPECT_EQ(types.at("layers.1.experts.3.w1"), "q8_0");
  EXPECT_EQ(types.at("layers.1.experts.3.w2"), "bf16");
  EXPECT_EQ(types.at("output"), "f16");
  EXPECT_EQ(types.at("layers.1.router"), "");
}

TEST(Recipe, Balanced) {
  for (const int64_t experts : {8, 0}) {
    const auto types = types_of("balanced", {}, config_of(2, experts));
    EXPECT_EQ(types.at("embedding"), "q8_0");
    EXPECT_EQ(types.at("output"), "q8_0");
    EXPECT_EQ(types.at("layers.1.wo"), "q8_0");
    EXPECT_EQ(types.at("layers.1.experts.0.w2"), "q4_k");
  }
}

// As llama.cpp's quantize chose for pocket-mixtral, tensor by tensor.
TEST(Recipe, Q4KMIsLlamaCppsMixForEightExperts) {
  const auto types = types_of("q4_k_m", {}, config_of(6, 8));
  for (const auto& [name, type] : types) {
    std::string expected = "q4_k";
    if (name.ends_with("norm") || name.ends_with("router")) expected = "";
    if (name.ends_with(".wk") || name.ends_with(".wv")) expected = "q8_0";
    if (name.ends_with(".wo")) expected = "q5_k";
    if (name == "output") expected = "q6_k";
    const bool more = name.starts_with("layers.2.") || name.starts_with("layers.5.");
    if (more && name.ends_with(".w2")) expected = "q6_k";
    EXPECT_EQ(type, expected) << name;
  }
}

// Mistral 7B's 32 layers: the first four, the last four and every third between.
TEST(Recipe, Q4KMOfADenseModel) {
  const auto types = types_of("q4_k_m", {}, config_of(32, 0));
  for (int layer = 0; layer < 32; ++layer) {
    const bool more = layer < 4 || layer >= 28 || (layer - 4) % 3 == 2;
    const std::string prefix = fmt::format("layers.{}.", layer);
    EXPECT_EQ(types.at(prefix + "experts.0.w2"), more ? "q6_k" : "q4_k") << layer;
    EXPECT_EQ(types.at(prefix + "wv"), more ? "q6_k" : "q4_k") << layer;
    EXPECT_EQ(types.at(prefix + "wk"), "q4_k");
    EXPECT_EQ(types.at(prefix + "wo"), "q4_k");
  }
  ModelConfig tied = config_of(1, 0);
  tied.tied_output = true;
  EXPECT_EQ(types_of("q4_k_m", {}, tied).at("embedding"), "q6_k");
}

TEST(Recipe, RulesThatNameNothingAreRefused) {
  const ModelConfig config = config_of(2, 4);
  for (const char* pattern : {"layers.2.wq", "layer.0.wq", "layers.0.experts.4.w1", "Output"}) {
    EXPECT_THAT(error_of([&] {
                  types_of("q4_0", {{pattern, "q8_0"}}, config);
                }),
                AllOf(HasSubstr(pattern), HasSubstr("names no tensor")));
  }
  for (const char* pattern : {"norm", "layers.*.router", "layers.0.{ffn_norm,router}"}) {
    EXPECT_THAT(error_of([&] {
                  types_of("q4_0", {{pattern, "f32"}}, config);
                }),
                AllOf(HasSubstr(pattern), HasSubstr("always f32")));
  }
}

TEST(Recipe, RulesAsPeopleWriteThem) {
  const TypeRule rule = parse_type_rule("layers.[0-3].wq=q8_0");
  EXPECT_EQ(rule.pattern, "layers.[0-3].wq");
  EXPECT_EQ(rule.type, "q8_0");
  for (const char* text : {"", "wq", "=q8_0", "wq=", "wq=q9", "w[q=q8_0", "wq=q8_0 "}) {
    EXPECT_NE(error_of([&] { parse_type_rule(text); }), "") << text;
  }
}

class RecipeFile : public ::testing::Test {
 protected:
  std::string error(const std::string& text) const {
    write_file(path, text);
    return error_of([&] { types_of(path, {}, config_of(2, 4)); });
  }
  const TempDir folder;
  const std::string path = folder.file("mine.json");
};

TEST_F(RecipeFile, BaseAndRules) {
  write_file(path, R"({"base": "balanced", "rules": [
      {"tensors": "layers.0.*", "type": "bf16"}, {"tensors": "output", "type": "f16"}]})");
  const Recipe recipe = make_recipe(path, {}, config_of(2, 4));
  EXPECT_EQ(recipe.name, "mine");
  const auto types = types_of(recipe, config_of(2, 4));
  EXPECT_EQ(types.at("layers.0.wq"), "bf16");
  EXPECT_EQ(types.at("layers.1.wq"), "q8_0");
  EXPECT_EQ(types.at("layers.1.experts.0.w1"), "q4_k");
  EXPECT_EQ(types.at("output"), "f16");
}

TEST_F(RecipeFile, WithoutBaseTheRestKeepsItsDefault) {
  write_file(path, R"({"name": "N", "rules": [{"tensors": "output", "type": "f16"}]})");
  const Recipe recipe = make_recipe(path, {{"embedding", "f32"}}, config_of(2, 4));
  EXPECT_EQ(recipe.name, "N + embedding=f32");
  const auto types = types_of(recipe, config_of(2, 4));
  EXPECT_EQ(types.at("layers.1.wq"), "");
  EXPECT_EQ(types.at("embedding"), "f32");
}

TEST_F(RecipeFile, FaultsAreNamed) {
  EXPECT_THAT(error("{"), HasSubstr(path));
  EXPECT_THAT(error("[]"), AllOf(HasSubstr(path), HasSubstr("not a JSON object")));
  EXPECT_THAT(error("{}"), AllOf(HasSubstr(path), HasSubstr("\"rules\" is missing")));
  EXPECT_THAT(error(R"({"rules": [], "bases": "q4_k"})"), HasSubstr("unknown entry \"bases\""));
  EXPECT_THAT(error(R"({"rules": [], "base": "q4"})"), HasSubstr("base \"q4\" is neither"));
  EXPECT_THAT(error(R"({"rules": [{"tensors": "output"}]})"), HasSubstr("\"type\" is missing"));
  EXPECT_THAT(error(R"({"rules": [{"tensors": "output", "type": "q8_0", "x": 1}]})"),
              HasSubstr("rule 1: unknown entry"));
  EXPECT_THAT(error(R"({"rules": [{"tensors": "[", "type": "q8_0"}]})"), HasSubstr("pattern ["));
  EXPECT_THAT(error(R"({"rules": [{"tensors": "outputs", "type": "q8_0"}]})"),
              HasSubstr("names no tensor"));
}

TEST(RecipeConversion, FormatsAndNameAreInTheFile) {
  const TempDir folder;
  ConvertOptions options;
  options.source = pocket_mixtral().string();
  options.output = folder.file("out.8vo");
  options.recipe = "balanced";
  options.type_for = {{"layers.3.experts.5.*", "bf16"}};
  convert(options);
  const ModelFile file(options.output);
  EXPECT_EQ(file.directory().requested_format, "balanced + layers.3.experts.5.*=bf16");
  for (const TensorEntry& entry : file.directory().tensors) {
    Format expected = Format::kQ8_0;
    if (entry.name.find(".experts.") != std::string::npos) expected = Format::kQ4_K;
    if (entry.name.starts_with("layers.3.experts.5.")) expected = Format::kBF16;
    if (entry.name.ends_with("norm") || entry.name.ends_with("router")) expected = Format::kF32;
    EXPECT_EQ(entry.format, expected) << entry.name;
  }
}

TEST(RecipeConversion, UnknownTypesAndRecipesAreNamed) {
  ConvertOptions options;
  options.source = pocket_mixtral().string();
  options.output = "never.8vo";
  options.recipe = "q4_x";
  EXPECT_THAT(error_of([&] { plan_conversion(options); }),
              AllOf(HasSubstr("q4_x is no recipe"), HasSubstr("balanced")));
  const TempDir folder;
  options.recipe = folder.file("r.json");
  write_file(options.recipe, R"({"rules": [{"tensors": "output", "type": "q9"}]})");
  EXPECT_THAT(error_of([&] { plan_conversion(options); }), HasSubstr("unknown type q9"));
}

TEST(RecipeConversion, SynthesizedToo) {
  const TempDir folder;
  SynthOptions options;
  options.config = small_config();
  options.output = folder.file("out.8vo");
  options.recipe = "balanced";
  options.type_for = {{"output", "f16"}};
  options.threads = 1;
  const ConvertSummary summary = synthesize(options);
  EXPECT_EQ(summary.contents.type, "balanced + output=f16");
  EXPECT_EQ(summary.contents.tensors.back().type, "f16");
  EXPECT_EQ(summary.contents.tensors.front().type, "q8_0");
}

}  // namespace
}  // namespace octavo::test
