// What a checkpoint says besides its weights: config entries, tokenizer, chat template.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "convert/checkpoint_tools.h"
#include "convert/source.h"

namespace octavo::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

ModelSource open(const CheckpointCopy& copy) { return open_source(copy.path().string()); }

class HfSource : public ::testing::Test {
 protected:
  const CheckpointCopy copy{test_data("tiny-mixtral/hf")};

  ModelSource with(const char* key, const nlohmann::json& value) const {
    copy.edit_json("config.json", [&](nlohmann::json& json) { json[key] = value; });
    return open(copy);
  }
  ModelSource without(const char* key) const {
    copy.edit_json("config.json", [&](nlohmann::json& json) { json.erase(key); });
    return open(copy);
  }
};

TEST_F(HfSource, WindowOfAMixtureIsIgnoredAndSaid) {
  const ModelSource source = with("sliding_window", 4096);
  EXPECT_EQ(source.config.window, 0);
  EXPECT_THAT(source.notes, Contains(HasSubstr("sliding window of 4096 is ignored")));
  EXPECT_THAT(with("sliding_window", nullptr).notes, Not(Contains(HasSubstr("window"))));
}

TEST(DenseSource, WindowIsUsed) {
  const CheckpointCopy copy(test_data("tiny-mistral-swa/hf"));
  EXPECT_EQ(open(copy).config.window, 8);
  for (const nlohmann::json& none : {nlohmann::json(), nlohmann::json(0)}) {
    copy.edit_json("config.json", [&](nlohmann::json& json) { json["sliding_window"] = none; });
    EXPECT_EQ(open(copy).config.window, 0);
  }
  copy.edit_json("config.json", [](nlohmann::json& json) { json.erase("sliding_window"); });
  EXPECT_EQ(open(copy).config.window, 0);
}

TEST_F(HfSource, HeadDimIsItsOwnEntry) {
  EXPECT_EQ(open(copy).config.head_dim, 16);
  EXPECT_EQ(with("head_dim", nullptr).config.head_dim, 16);
  EXPECT_EQ(with("head_dim", 16).config.head_dim, 16);
  EXPECT_THROW(with("head_dim", 32), Error);  // and the weights must fit it
}

TEST_F(HfSource, RopeThetaInEitherPlace) {
  EXPECT_EQ(with("rope_theta", 12345.0).config.rope_theta, 12345.0);
  EXPECT_EQ(without("rope_theta").config.rope_theta, 1e6);
  EXPECT_EQ(
      with("rope_parameters", {{"rope_theta", 777.0}, {"rope_type", "default"}}).config.rope_theta,
      777.0);
  EXPECT_THROW(with("rope_parameters", {{"rope_theta", 777.0}, {"rope_type", "yarn"}}), Error);
}

TEST_F(HfSource, TokensOfTheEnds) {
  EXPECT_EQ(open(copy).config.bos, 1);
  EXPECT_EQ(with("bos_token_id", nullptr).config.bos, -1);
  EXPECT_EQ(with("eos_token_id", 7).config.eos, 7);
  const ModelSource several = with("eos_token_id", {5, 6});
  EXPECT_EQ(several.config.eos, 5);
  EXPECT_THAT(several.notes, Contains(HasSubstr("eos_token_id lists 2 ids")));
}

TEST_F(HfSource, TiedOutputNeedsNoHead) {
  copy.edit_tensors("model.safetensors", [](std::vector<SafeTensor>& tensors) {
    tensors.erase(tensors.begin() + (&tensor_named(tensors, "lm_head.weight") - tensors.data()));
  });
  EXPECT_THROW(open(copy), Error);
  EXPECT_TRUE(with("tie_word_embeddings", true).config.tied_output);
}

TEST_F(HfSource, TokenizerAndTemplate) {
  EXPECT_EQ(open(copy).tokenizer, "");
  EXPECT_EQ(open(copy).chat_template, "");
  write_file(copy.file("tokenizer.model"), std::string("\0\xFFspm", 5));
  EXPECT_EQ(open(copy).tokenizer, std::string("\0\xFFspm", 5));
  const auto set_template = [&](const nlohmann::json& value) {
    write_file(copy.file("tokenizer_config.json"), nlohmann::json{{"chat_template", value}}.dump());
  };
  set_template("one");
  EXPECT_EQ(open(copy).chat_template, "one");
  set_template(
      {{{"name", "tool_use"}, {"template", "two"}}, {{"name", "default"}, {"template", "three"}}});
  EXPECT_EQ(open(copy).chat_template, "three");
  set_template({{{"name", "rag"}, {"template", "four"}}});
  EXPECT_EQ(open(copy).chat_template, "four");
  set_template(nullptr);
  EXPECT_EQ(open(copy).chat_template, "");
  set_template(5);
  EXPECT_THROW(open(copy), Error);
  set_template({{{"name", "default"}}});
  EXPECT_THROW(open(copy), Error);
  set_template("one");
  write_file(copy.file("chat_template.jinja"), "five");
  EXPECT_EQ(open(copy).chat_template, "five");
}

TEST(MistralSource, TokenizerOfEitherName) {
  const CheckpointCopy copy(test_data("tiny-mixtral/mistral"));
  EXPECT_EQ(open(copy).tokenizer, "");
  write_file(copy.file("tokenizer.model.v1"), "first");
  write_file(copy.file("tokenizer.model.v3"), "third");
  EXPECT_EQ(open(copy).tokenizer, "third");
  write_file(copy.file("tokenizer.model"), "plain");
  EXPECT_EQ(open(copy).tokenizer, "plain");
}

// Interleaved pairs of Mistral's files become half-split ones; other matrices keep their rows.
TEST(MistralSource, RowsOfQueriesAndKeysArePermuted) {
  const ModelSource source = open_source(test_data("tiny-mixtral/mistral").string());
  const auto plan = tensor_plan(source.config);
  for (size_t i = 0; i < plan.size(); ++i) {
    const bool rotated = plan[i].name.ends_with(".wq") || plan[i].name.ends_with(".wk");
    const std::vector<int64_t> expected = rotated ? std::vector<int64_t>{0, 2, 14, 1, 15, 16}
                                                  : std::vector<int64_t>{0, 1, 7, 8, 15, 16};
    std::vector<int64_t> rows;
    for (const int64_t row : {0, 1, 7, 8, 15, 16})
      rows.push_back(source_row(source.tensors[i], row));
    EXPECT_EQ(rows, expected) << plan[i].name;
  }
}

// A download that holds both layouts: the one with the fuller config is taken.
TEST(BothLayouts, HfIsTaken) {
  const CheckpointCopy copy(test_data("tiny-mixtral/hf"));
  for (const char* name : {"params.json", "consolidated.safetensors"}) {
    fs::copy_file(test_data("tiny-mixtral/mistral") / name, copy.file(name));
  }
  EXPECT_EQ(open(copy).config.context, 256);
  fs::remove(copy.file("model.safetensors"));
  EXPECT_EQ(open(copy).config.context, 32768);
}

}  // namespace
}  // namespace octavo::test
