// The config: what no model can have is refused by name.
#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "io/small_model.h"

namespace octavo::test {
namespace {

using ::testing::HasSubstr;

TEST(Config, SurvivesJson) {
  ModelConfig config = small_config();
  config.window = 7;
  config.tied_output = true;
  config.norm_eps = 1.0000000000000002e-5;
  config.rope_theta = 123456.789;
  config.eos = -1;
  EXPECT_EQ(config_from_json(to_json(config)), config);
  EXPECT_EQ(config_from_json(nlohmann::json::parse(to_json(config).dump())), config);
}

TEST(Config, EveryEntryIsNeeded) {
  const nlohmann::json whole = to_json(small_config());
  for (const auto& [key, value] : whole.items()) {
    nlohmann::json part = whole;
    part.erase(key);
    EXPECT_THAT(error_of([&] { config_from_json(part); }), HasSubstr("\"" + key + "\" is missing"));
    part[key] = nlohmann::json::array();
    EXPECT_THAT(error_of([&] { config_from_json(part); }), HasSubstr("\"" + key + "\" is array"));
  }
}

struct BadEntry {
  const char* name;
  std::function<void(ModelConfig&)> set;
};

TEST(Config, ImpossibleEntriesAreNamed) {
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  const std::vector<BadEntry> bad = {
      {"dim", [](ModelConfig& c) { c.dim = 0; }},
      {"dim", [](ModelConfig& c) { c.dim = -32; }},
      {"dim", [](ModelConfig& c) { c.dim = kHuge; }},
      {"layers", [](ModelConfig& c) { c.layers = 0; }},
      {"layers", [](ModelConfig& c) { c.layers = kHuge; }},
      {"heads", [](ModelConfig& c) { c.heads = 0; }},
      {"heads", [](ModelConfig& c) { c.heads = kHuge; }},
      {"kv_heads", [](ModelConfig& c) { c.kv_heads = 0; }},
      {"kv_heads", [](ModelConfig& c) { c.kv_heads = 3; }},
      {"kv_heads", [](ModelConfig& c) { c.heads = 5, c.kv_heads = 2; }},
      {"head_dim", [](ModelConfig& c) { c.head_dim = 15; }},
      {"head_dim", [](ModelConfig& c) { c.head_dim = 0; }},
      {"head_dim", [](ModelConfig& c) { c.head_dim = 1 << 24; }},
      {"ffn_dim", [](ModelConfig& c) { c.ffn_dim = 0; }},
      {"vocab", [](ModelConfig& c) { c.vocab = 0; }},
      {"context", [](ModelConfig& c) { c.context = 0; }},
      {"window", [](ModelConfig& c) { c.window = -1; }},
      {"experts", [](ModelConfig& c) { c.experts = -1; }},
      {"experts_per_token", [](ModelConfig& c) { c.experts_per_token = 0; }},
      {"experts_per_token", [](ModelConfig& c) { c.experts_per_token = 3; }},
      {"experts_per_token", [](ModelConfig& c) { c.experts = 0; }},
      {"layers * experts", [](ModelConfig& c) { c.layers = 60000, c.experts = 60000; }},
      {"architecture", [](ModelConfig& c) { c.architecture = "mistral"; }},
      {"architecture", [](ModelConfig& c) { c.architecture = "llama"; }},
      {"rope_theta", [](ModelConfig& c) { c.rope_theta = 0; }},
      {"rope_theta",
       [](ModelConfig& c) { c.rope_theta = std::numeric_limits<double>::infinity(); }},
      {"norm_eps", [](ModelConfig& c) { c.norm_eps = 0; }},
      {"norm_eps", [](ModelConfig& c) { c.norm_eps = std::nan(""); }},
      {"bos", [](ModelConfig& c) { c.bos = 40; }},
      {"eos", [](ModelConfig& c) { c.eos = -2; }},
      {"weights", [](ModelConfig& c) { c.dim = 1 << 24, c.ffn_dim = 1 << 24, c.layers = 1 << 10; }},
  };
  EXPECT_NO_THROW(validate(small_config()));
  for (const BadEntry& entry : bad) {
    ModelConfig config = small_config();
    entry.set(config);
    EXPECT_THAT(error_of([&] { validate(config); }), HasSubstr(entry.name));
  }
}

TEST(Config, PlanFollowsTheConfig) {
  ModelConfig config = small_config();
  const auto names = [](const ModelConfig& c) {
    std::vector<std::string> list;
    for (const TensorEntry& entry : tensor_plan(c)) list.push_back(entry.name);
    return list;
  };
  const std::vector<std::string> mixture = {"embedding",
                                            "layers.0.attention_norm",
                                            "layers.0.wq",
                                            "layers.0.wk",
                                            "layers.0.wv",
                                            "layers.0.wo",
                                            "layers.0.ffn_norm",
                                            "layers.0.router",
                                            "layers.0.experts.0.w1",
                                            "layers.0.experts.0.w3",
                                            "layers.0.experts.0.w2",
                                            "layers.0.experts.1.w1",
                                            "layers.0.experts.1.w3",
                                            "layers.0.experts.1.w2",
                                            "norm",
                                            "output"};
  EXPECT_EQ(names(config), mixture);
  config.experts = config.experts_per_token = 0;
  config.tied_output = true;
  const std::vector<std::string> dense = {"embedding",
                                          "layers.0.attention_norm",
                                          "layers.0.wq",
                                          "layers.0.wk",
                                          "layers.0.wv",
                                          "layers.0.wo",
                                          "layers.0.ffn_norm",
                                          "layers.0.experts.0.w1",
                                          "layers.0.experts.0.w3",
                                          "layers.0.experts.0.w2",
                                          "norm"};
  EXPECT_EQ(names(config), dense);
}

}  // namespace
}  // namespace octavo::test
