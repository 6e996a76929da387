// The two layouts of one checkpoint, in one file or in many, give the same model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "convert/checkpoint_tools.h"
#include "quant/packed.h"

namespace octavo::test {
namespace {

using ::testing::HasSubstr;

// Every tensor's bytes, and the config but for what one layout does not say.
void expect_same_model(const std::string& hf, const std::string& mistral) {
  ModelDirectory a = directory_of(hf), b = directory_of(mistral);
  a.config.context = b.config.context;  // params.json has none
  EXPECT_EQ(a.config, b.config);
  EXPECT_EQ(a.notes, b.notes);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (size_t i = 0; i < a.tensors.size(); ++i) {
    EXPECT_EQ(a.tensors[i].checksum, b.tensors[i].checksum) << a.tensors[i].name;
    EXPECT_EQ(tensor_bytes_of(hf, a.tensors[i]), tensor_bytes_of(mistral, b.tensors[i]))
        << a.tensors[i].name;
  }
}

class Layouts : public ::testing::TestWithParam<Format> {};
INSTANTIATE_TEST_SUITE_P(Formats, Layouts, ::testing::ValuesIn(all_formats()),
                         [](const auto& row) { return std::string(format_name(row.param)); });

TEST_P(Layouts, MixturesAgree) {
  const std::string hf = convert_folder(test_data("tiny-mixtral/hf"), GetParam());
  expect_same_model(hf, convert_folder(test_data("tiny-mixtral/mistral"), GetParam()));
  expect_same_model(hf, convert_folder(test_data("tiny-mixtral/pth"), GetParam()));
  EXPECT_EQ(directory_of(hf).config.context, 256);
}

TEST_P(Layouts, DenseModelsAgree) {
  expect_same_model(convert_folder(test_data("tiny-mistral-swa/hf"), GetParam()),
                    convert_folder(test_data("tiny-mistral-swa/mistral"), GetParam()));
}

TEST(LayoutDetails, MistralDefaults) {
  const ModelConfig mixture =
      directory_of(convert_folder(test_data("tiny-mixtral/mistral"), Format::kF32)).config;
  EXPECT_EQ(mixture.rope_theta, 1e6);
  EXPECT_EQ(mixture.context, 32768);
  EXPECT_EQ(mixture.window, 0);
  const CheckpointCopy dense(test_data("tiny-mistral-swa/mistral"));
  dense.edit_json("params.json", [](nlohmann::json& params) { params.erase("rope_theta"); });
  const ModelConfig config = directory_of(convert_folder(dense.path(), Format::kF32)).config;
  EXPECT_EQ(config.rope_theta, 1e4);
  EXPECT_EQ(config.window, 8);
}

// The folder's name is all that an .8vo tells about where it came from.
TEST(LayoutDetails, SourceIsTheFoldersName) {
  const std::string bytes = convert_folder(test_data("tiny-mixtral/hf"), Format::kF32);
  EXPECT_EQ(directory_of(bytes).source, "hf");
}

// Splits the tensors over `shards` files round robin; returns the index's weight map.
nlohmann::json split(const CheckpointCopy& copy, std::string_view weights,
                     const std::vector<std::string>& shards) {
  const std::vector<SafeTensor> tensors = read_safetensors(copy.file(weights));
  std::vector<std::vector<SafeTensor>> parts(shards.size());
  nlohmann::json map;
  for (size_t i = 0; i < tensors.size(); ++i) {
    parts[i % shards.size()].push_back(tensors[i]);
    map[tensors[i].name] = shards[i % shards.size()];
  }
  for (size_t i = 0; i < shards.size(); ++i) write_safetensors(copy.file(shards[i]), parts[i]);
  fs::remove(copy.file(weights));
  return map;
}

void write_index(const CheckpointCopy& copy, const nlohmann::json& map) {
  write_file(copy.file("model.safetensors.index.json"),
             nlohmann::json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}.dump());
}

// The folder has the same name, so the whole files must be equal.
TEST(Shards, HfShardsGiveTheSameFile) {
  const CheckpointCopy whole(test_data("tiny-mixtral/hf")), sharded(test_data("tiny-mixtral/hf"));
  write_index(sharded,
              split(sharded, "model.safetensors",
                    {"model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors",
                     "model-00003-of-00003.safetensors"}));
  EXPECT_EQ(convert_folder(whole.path(), Format::kQ8_0),
            convert_folder(sharded.path(), Format::kQ8_0));
}

TEST(Shards, MistralShardsGiveTheSameFile) {
  const CheckpointCopy whole(test_data("tiny-mixtral/mistral"));
  const CheckpointCopy sharded(test_data("tiny-mixtral/mistral"));
  split(sharded, "consolidated.safetensors",
        {"consolidated.00.safetensors", "consolidated.01.safetensors"});
  EXPECT_EQ(convert_folder(whole.path(), Format::kQ8_0),
            convert_folder(sharded.path(), Format::kQ8_0));
}

TEST(Shards, MissingShardIsNamed) {
  const CheckpointCopy copy(test_data("tiny-mixtral/hf"));
  write_index(copy, split(copy, "model.safetensors", {"a.safetensors", "b.safetensors"}));
  fs::remove(copy.file("b.safetensors"));
  const std::string message = convert_error(copy.path());
  EXPECT_THAT(message, HasSubstr("b.safetensors is missing"));
}

TEST(Shards, IndexCannotPointOutOfTheFolder) {
  for (const char* name : {"../a.safetensors", "/etc/passwd", "..", "", "x/../a.safetensors"}) {
    const CheckpointCopy copy(test_data("tiny-mixtral/hf"));
    nlohmann::json map = split(copy, "model.safetensors", {"a.safetensors"});
    map["lm_head.weight"] = name;
    write_index(copy, map);
    EXPECT_THAT(convert_error(copy.path()), HasSubstr("no valid file name")) << name;
  }
}

TEST(Shards, DamagedIndexIsNamed) {
  for (const char* text : {"", "{", "{}", "{\"weight_map\": []}", "{\"weight_map\": {\"x\": 1}}"}) {
    const CheckpointCopy copy(test_data("tiny-mixtral/hf"));
    split(copy, "model.safetensors", {"a.safetensors"});
    write_file(copy.file("model.safetensors.index.json"), text);
    EXPECT_THAT(convert_error(copy.path()), HasSubstr("model.safetensors.index.json")) << text;
  }
}

TEST(Shards, TensorInTwoFilesIsRefused) {
  const CheckpointCopy copy(test_data("tiny-mixtral/mistral"));
  fs::copy_file(copy.file("consolidated.safetensors"), copy.file("consolidated.01.safetensors"));
  EXPECT_THAT(convert_error(copy.path()), HasSubstr("keep one of them"));
}

}  // namespace
}  // namespace octavo::test
