// Checkpoints that are incomplete or wrong: one line that names file and tensor, nothing left over.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>

#include "convert/checkpoint_tools.h"

namespace octavo::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kW1 = "model.layers.1.block_sparse_moe.experts.3.w1.weight";

class HfErrors : public ::testing::Test {
 protected:
  const CheckpointCopy copy{test_data("tiny-mixtral/hf")};

  void edit(const std::function<void(std::vector<SafeTensor>&)>& change) const {
    copy.edit_tensors("model.safetensors", change);
  }
  void config(const char* key, const nlohmann::json& value) const {
    copy.edit_json("config.json", [&](nlohmann::json& json) { json[key] = value; });
  }
};

TEST_F(HfErrors, IntactCopyConverts) { EXPECT_EQ(convert_error(copy.path()), ""); }

TEST_F(HfErrors, MissingTensor) {
  edit([](auto& tensors) {
    tensors.erase(tensors.begin() + (&tensor_named(tensors, kW1) - tensors.data()));
  });
  EXPECT_THAT(convert_error(copy.path()), AllOf(HasSubstr(kW1), HasSubstr("missing")));
}

TEST_F(HfErrors, WrongShape) {
  edit([](auto& tensors) { tensor_named(tensors, kW1).shape = {64, 128}; });
  EXPECT_THAT(convert_error(copy.path()), AllOf(HasSubstr("model.safetensors"), HasSubstr(kW1),
                                                HasSubstr("64 x 128"), HasSubstr("128 x 64")));
}

TEST_F(HfErrors, WrongDtype) {
  edit([](auto& tensors) { tensor_named(tensors, kW1).dtype = "I32"; });
  EXPECT_THAT(convert_error(copy.path()),
              AllOf(HasSubstr(kW1), HasSubstr("I32"), HasSubstr("expected one of F32, F16, BF16")));
}

TEST_F(HfErrors, NotANumberIsFoundWithItsPlace) {
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    edit([bad](auto& tensors) {
      std::memcpy(tensor_named(tensors, kW1).bytes.data() + 4 * (64 * 77 + 5), &bad, 4);
      std::memcpy(tensor_named(tensors, kW1).bytes.data() + 4 * (64 * 101 + 2), &bad, 4);
    });
    for (const Format format : all_formats()) {
      EXPECT_THAT(convert_error(copy.path(), format),
                  AllOf(HasSubstr("model.safetensors"), HasSubstr(kW1), HasSubstr("[77, 5]")));
    }
  }
}

TEST_F(HfErrors, NotANumberInANorm) {
  edit([](auto& tensors) {
    const float bad = std::nanf("");
    std::memcpy(tensor_named(tensors, "model.norm.weight").bytes.data() + 12, &bad, 4);
  });
  EXPECT_THAT(convert_error(copy.path()), AllOf(HasSubstr("model.norm"), HasSubstr("[0, 3]")));
}

TEST_F(HfErrors, ConfigThatDoesNotFitTheWeights) {
  config("hidden_size", 128);
  EXPECT_THAT(convert_error(copy.path()), HasSubstr("the config says"));
}

TEST_F(HfErrors, ConfigsThatCannotBe) {
  const std::tuple<const char*, nlohmann::json, const char*> cases[] = {
      {"model_type", "llama", "model_type llama"},
      {"hidden_act", "gelu", "hidden_act"},
      {"rope_scaling", {{"type", "linear"}}, "rope_scaling"},
      {"quantization_config", {{"bits", 4}}, "quantization_config"},
      {"num_attention_heads", 0, "heads"},
      {"num_attention_heads", "4", "is string"},
      {"num_key_value_heads", 3, "kv_heads"},
      {"num_experts_per_tok", 9, "experts_per_token"},
      {"num_local_experts", 0, "num_local_experts"},
      {"num_hidden_layers", 1000000000, "layers"},
      {"vocab_size", -1, "vocab"},
      {"bos_token_id", 500, "bos_token_id"},
      {"head_dim", 15, "head_dim"},
      {"rms_norm_eps", -1, "norm_eps"},
  };
  const nlohmann::json original = read_json(copy.file("config.json"));
  for (const auto& [key, value, message] : cases) {
    config(key, value);
    EXPECT_THAT(convert_error(copy.path()), AllOf(HasSubstr("config.json"), HasSubstr(message)))
        << key;
    write_file(copy.file("config.json"), original.dump());
  }
}

TEST_F(HfErrors, EveryNeededEntryOfTheConfig) {
  const nlohmann::json original = read_json(copy.file("config.json"));
  for (const char* key :
       {"model_type", "hidden_size", "num_hidden_layers", "num_attention_heads",
        "intermediate_size", "num_local_experts", "num_experts_per_tok", "vocab_size"}) {
    nlohmann::json json = original;
    json.erase(key);
    write_file(copy.file("config.json"), json.dump());
    EXPECT_THAT(convert_error(copy.path()), AllOf(HasSubstr("config.json"), HasSubstr(key)));
  }
}

TEST_F(HfErrors, DamagedConfig) {
  write_file(copy.file("config.json"), "{\"hidden_size\": 64,");
  EXPECT_THAT(convert_error(copy.path()), AllOf(HasSubstr("config.json"), HasSubstr("JSON")));
}

TEST_F(HfErrors, TruncatedWeights) {
  const std::string bytes = read_file(copy.file("model.safetensors"));
  for (const size_t length :
       {size_t{0}, size_t{5}, size_t{100}, bytes.size() / 2, bytes.size() - 1}) {
    write_file(copy.file("model.safetensors"), bytes.substr(0, length));
    EXPECT_THAT(convert_error(copy.path()), HasSubstr("model.safetensors")) << length;
  }
}

TEST_F(HfErrors, UnreadableFile) {
  if (::geteuid() == 0) {  // root reads everything: a folder in the file's place instead
    fs::remove(copy.file("model.safetensors"));
    fs::create_directory(copy.file("model.safetensors"));
  } else {
    fs::permissions(copy.file("model.safetensors"), fs::perms::none);
  }
  EXPECT_THAT(convert_error(copy.path()),
              AllOf(HasSubstr("cannot"), HasSubstr("model.safetensors")));
}

TEST(SourceErrors, NoCheckpointThere) {
  const TempDir folder;
  EXPECT_THAT(convert_error(folder.path() / "none"), HasSubstr("no such file or folder"));
  EXPECT_THAT(convert_error(folder.path()), HasSubstr("no checkpoint"));
  write_file(folder.file("model.gguf"), "GGUF");
  EXPECT_THAT(convert_error(folder.path() / "model.gguf"), HasSubstr("cut short"));
  write_file(folder.file("model.bin"), "model");
  EXPECT_THAT(convert_error(folder.path() / "model.bin"), HasSubstr("no folder and no GGUF file"));
}

TEST(SourceErrors, MistralParams) {
  const std::pair<const char*, nlohmann::json> changes[] = {
      {"dim", nullptr},
      {"n_layers", "2"},
      {"norm_eps", nullptr},
      {"hidden_dim", 0},
      {"vocab_size", 1 << 20},
      {"moe", {{"num_experts", 8}}},
      {"quantization", {{"qformat_weight", "fp8_e4m3"}}}};
  for (const auto& [key, value] : changes) {
    const CheckpointCopy copy(test_data("tiny-mixtral/mistral"));
    copy.edit_json("params.json",
                   [&, name = key, entry = value](nlohmann::json& json) { json[name] = entry; });
    EXPECT_NE(convert_error(copy.path()), "") << key;
  }
}

// A dry run finds the same faults and writes nothing.
TEST_F(HfErrors, PlanFindsFaultsToo) {
  ConvertOptions options;
  options.source = copy.path().string();
  options.output = copy.file("out.8vo").string();
  const ConvertSummary summary = plan_conversion(options);
  EXPECT_FALSE(fs::exists(options.output));
  EXPECT_GT(summary.contents.file_bytes, 0);
  EXPECT_EQ(summary.source_bytes, 2 * 871040);
  const ConvertSummary real = convert(options);
  EXPECT_EQ(static_cast<uint64_t>(summary.contents.file_bytes), fs::file_size(options.output));
  EXPECT_EQ(real.contents.file_bytes, summary.contents.file_bytes);
  edit([](auto& tensors) { tensors.pop_back(); });
  EXPECT_THROW(plan_conversion(options), Error);
}

}  // namespace
}  // namespace octavo::test
