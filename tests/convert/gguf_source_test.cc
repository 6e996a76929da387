// GGUF files give the model that the checkpoint in HF's layout gives, however they are laid out.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "convert/checkpoint_tools.h"
#include "support/gguf.h"
#include "text/tokenizer.h"

namespace octavo::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

fs::path mixtral() { return test_data("tiny-mixtral/hf"); }
fs::path dense() { return test_data("tiny-mistral-swa/hf"); }

// A GGUF file in a folder of its own.
class GgufFile {
 public:
  explicit GgufFile(const GgufBuilder& builder, const char* name = "model.gguf")
      : path_(folder_.file(name)) {
    write_file(path_, builder.bytes());
  }
  const fs::path& path() const { return path_; }

 private:
  TempDir folder_;
  fs::path path_;
};

std::string convert_gguf(const GgufBuilder& builder, Format format = Format::kF32) {
  return convert_folder(GgufFile(builder).path(), format);
}
std::string error_of(const GgufBuilder& builder) { return convert_error(GgufFile(builder).path()); }

// Tensor for tensor the same bytes; f32 numbers of the config have fewer digits.
void expect_same_model(const std::string& hf, const std::string& gguf) {
  ModelDirectory a = directory_of(hf), b = directory_of(gguf);
  EXPECT_EQ(static_cast<float>(a.config.norm_eps), static_cast<float>(b.config.norm_eps));
  a.config.norm_eps = b.config.norm_eps;
  EXPECT_EQ(a.config, b.config);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (size_t i = 0; i < a.tensors.size(); ++i) {
    EXPECT_EQ(tensor_bytes_of(hf, a.tensors[i]), tensor_bytes_of(gguf, b.tensors[i]))
        << a.tensors[i].name;
  }
}

TEST(GgufSource, MergedExperts) {
  const GgufBuilder builder = gguf_of_checkpoint(mixtral(), GgufExperts::kMerged);
  const std::string gguf = convert_gguf(builder);
  expect_same_model(convert_folder(mixtral(), Format::kF32), gguf);
  EXPECT_EQ(directory_of(gguf).source, "model.gguf");
}

TEST(GgufSource, ExpertsOfEarlyFiles) {
  expect_same_model(convert_folder(mixtral(), Format::kF32),
                    convert_gguf(gguf_of_checkpoint(mixtral(), GgufExperts::kEarly)));
}

TEST(GgufSource, DenseWithItsWindow) {
  expect_same_model(convert_folder(dense(), Format::kF32),
                    convert_gguf(gguf_of_checkpoint(dense(), GgufExperts::kMerged)));
}

TEST(GgufSource, Version2) {
  GgufBuilder builder = gguf_of_checkpoint(mixtral(), GgufExperts::kMerged);
  builder.version = 2;
  expect_same_model(convert_folder(mixtral(), Format::kF32), convert_gguf(builder));
}

TEST(GgufSource, WithoutOutputTheEmbeddingIsTied) {
  GgufBuilder builder = gguf_of_checkpoint(mixtral(), GgufExperts::kMerged);
  std::erase_if(builder.tensors, [](const auto& tensor) { return tensor.name == "output.weight"; });
  EXPECT_TRUE(directory_of(convert_gguf(builder)).config.tied_output);
}

TEST(GgufSource, WhatMayBeLeftOut) {
  GgufBuilder builder = gguf_of_checkpoint(mixtral(), GgufExperts::kMerged);
  const ModelConfig whole = directory_of(convert_gguf(builder)).config;
  for (const char* key :
       {"llama.rope.dimension_count", "llama.attention.value_length", "tokenizer.ggml.bos_token_id",
        "tokenizer.ggml.eos_token_id", "llama.attention.key_length"}) {
    builder.erase(key);
  }
  builder.tensors.push_back({"blk.0.attn_rot_embd.weight", "F32", {4}, std::string(16, '\0')});
  EXPECT_EQ(directory_of(convert_gguf(builder)).config, whole);
  builder.erase("llama.rope.freq_base");
  EXPECT_EQ(directory_of(convert_gguf(builder)).config.rope_theta, 1e4);
}

TEST(GgufSource, WindowOfAMixtureIsIgnoredWithANote) {
  GgufBuilder builder = gguf_of_checkpoint(mixtral(), GgufExperts::kMerged);
  builder.u32("llama.attention.sliding_window", 4096);
  const ModelDirectory directory = directory_of(convert_gguf(builder));
  EXPECT_EQ(directory.config.window, 0);
  EXPECT_THAT(directory.notes, testing::Contains(HasSubstr("4096 is ignored")));
}

TEST(GgufSource, HarmlessScaling) {
  GgufBuilder builder = gguf_of_checkpoint(mixtral(), GgufExperts::kMerged);
  builder.text("llama.rope.scaling.type", "none");
  builder.f32("llama.rope.scaling.factor", 8);
  EXPECT_EQ(error_of(builder), "");
  builder.text("llama.rope.scaling.type", "linear");
  builder.f32("llama.rope.scaling.factor", 1);
  EXPECT_EQ(error_of(builder), "");
}

TEST(GgufErrors, WhatWouldChangeTheComputation) {
  const GgufBuilder whole = gguf_of_checkpoint(mixtral(), GgufExperts::kMerged);
  const std::pair<const char*, std::function<void(GgufBuilder&)>> cases[] = {
      {"architecture qwen2", [](auto& b) { b.text("general.architecture", "qwen2"); }},
      {"general.architecture is missing", [](auto& b) { b.erase("general.architecture"); }},
      {"general.type adapter", [](auto& b) { b.text("general.type", "adapter"); }},
      {"quantization_version 1", [](auto& b) { b.u32("general.quantization_version", 1); }},
      {"type yarn", [](auto& b) { b.text("llama.rope.scaling.type", "yarn"); }},
      {"scaling.factor 4", [](auto& b) { b.f32("llama.rope.scaling.factor", 4); }},
      {"scale_linear 2", [](auto& b) { b.f32("llama.rope.scale_linear", 2); }},
      {"expert_gating_func 2", [](auto& b) { b.u32("llama.expert_gating_func", 2); }},
      {"expert_shared_count 1", [](auto& b) { b.u32("llama.expert_shared_count", 1); }},
      {"expert_weights_scale 2.5", [](auto& b) { b.f32("llama.expert_weights_scale", 2.5f); }},
      {"causal", [](auto& b) { b.boolean("llama.attention.causal", false); }},
      {"rope.dimension_count 8", [](auto& b) { b.u32("llama.rope.dimension_count", 8); }},
      {"value_length 8", [](auto& b) { b.u32("llama.attention.value_length", 8); }},
      {"rope_freqs.weight is not known",
       [](auto& b) {
         b.tensors.push_back({"rope_freqs.weight", "F32", {1}, "1234"});
       }},
      {"blk.0.attn_q.bias is not known",
       [](auto& b) {
         b.tensors.push_back({"blk.0.attn_q.bias", "F32", {1}, "1234"});
       }},
  };
  for (const auto& [message, change] : cases) {
    GgufBuilder builder = whole;
    change(builder);
    EXPECT_THAT(error_of(builder), AllOf(HasSubstr("model.gguf"), HasSubstr(message)));
  }
}

TEST(GgufErrors, MetadataThatDoNotFit) {
  const GgufBuilder whole = gguf_of_checkpoint(mixtral(), GgufExperts::kMerged);
  const std::pair<const char*, std::function<void(GgufBuilder&)>> cases[] = {
      {"block_count is missing", [](auto& b) { b.erase("llama.block_count"); }},
      {"block_count is no integer", [](auto& b) { b.text("llama.block_count", "2"); }},
      {"head_count_kv is no integer",
       [](auto& b) {
         b.integers("llama.attention.head_count_kv", {2, 2});
       }},
      {"heads is 0", [](auto& b) { b.u32("llama.attention.head_count", 0); }},
      {"expert_used_count is missing", [](auto& b) { b.erase("llama.expert_used_count"); }},
      {"blk.2.attn_norm.weight is missing", [](auto& b) { b.u32("llama.block_count", 3); }},
      {"the config says", [](auto& b) { b.u32("llama.feed_forward_length", 64); }},
      {"the config says", [](auto& b) { b.u32("llama.expert_count", 3); }},
      {"outside the vocabulary", [](auto& b) { b.u32("tokenizer.ggml.bos_token_id", 1 << 20); }},
      {"token_embd.weight is missing",
       [](auto& b) {
         b.tensor("token_embd.weight").name = "x";
         b.texts("tokenizer.ggml.tokens", {"a", "b", "c"});
       }},
      {"but token_embd.weight has",
       [](auto& b) {
         const auto rows = static_cast<size_t>(b.tensor("token_embd.weight").shape[0]);
         b.texts("tokenizer.ggml.tokens", std::vector<std::string>(rows + 1, "x"));
       }},
  };
  for (const auto& [message, change] : cases) {
    GgufBuilder builder = whole;
    change(builder);
    EXPECT_THAT(error_of(builder), AllOf(HasSubstr("model.gguf"), HasSubstr(message)));
  }
}

TEST(GgufErrors, FilesOfOtherKinds) {
  const TempDir folder;
  write_file(folder.path() / "x.bin", "something else");
  EXPECT_THAT(convert_error(folder.path() / "x.bin"), HasSubstr("no folder and no GGUF file"));
  write_file(folder.path() / "empty.gguf", "");
  EXPECT_THAT(convert_error(folder.path() / "empty.gguf"), HasSubstr("no GGUF file"));
}

// The tensors of a model over files as llama.cpp splits them.
class SplitGguf {
 public:
  explicit SplitGguf(const GgufBuilder& whole, size_t parts) : parts_(parts) {
    for (size_t i = 0; i < parts; ++i) {
      if (i == 0) parts_[i] = whole;
      parts_[i].tensors.clear();
      parts_[i].put("split.no", 2, GgufBuilder::encoded(static_cast<uint16_t>(i)));
      parts_[i].put("split.count", 2, GgufBuilder::encoded(static_cast<uint16_t>(parts)));
      parts_[i].put("split.tensors.count", 5,
                    GgufBuilder::encoded(static_cast<int32_t>(whole.tensors.size())));
    }
    for (size_t i = 0; i < whole.tensors.size(); ++i) {
      parts_[i * parts / whole.tensors.size()].tensors.push_back(whole.tensors[i]);
    }
  }
  GgufBuilder& part(size_t i) { return parts_[i]; }
  static std::string name(size_t i, size_t parts) {
    return fmt::format("m-{:05}-of-{:05}.gguf", i + 1, parts);
  }
  /// Writes all; returns the first.
  fs::path write(const TempDir& folder) const {
    for (size_t i = 0; i < parts_.size(); ++i) {
      write_file(folder.path() / name(i, parts_.size()), parts_[i].bytes());
    }
    return folder.path() / name(0, parts_.size());
  }

 private:
  std::vector<GgufBuilder> parts_;
};

TEST(SplitGgufFiles, GiveTheSameModel) {
  const TempDir folder;
  const SplitGguf split(gguf_of_checkpoint(mixtral(), GgufExperts::kMerged), 3);
  expect_same_model(convert_folder(mixtral(), Format::kF32),
                    convert_folder(split.write(folder), Format::kF32));
}

TEST(SplitGgufFiles, FirstPartMayHoldMetadataAlone) {
  const TempDir folder;
  SplitGguf split(gguf_of_checkpoint(mixtral(), GgufExperts::kMerged), 3);
  auto &first = split.part(0).tensors, &second = split.part(1).tensors;
  second.insert(second.end(), first.begin(), first.end());
  first.clear();
  EXPECT_EQ(convert_error(split.write(folder)), "");
}

TEST(SplitGgufFiles, MissingPartIsNamed) {
  const TempDir folder;
  const fs::path first =
      SplitGguf(gguf_of_checkpoint(mixtral(), GgufExperts::kMerged), 3).write(folder);
  fs::remove(folder.path() / SplitGguf::name(1, 3));
  EXPECT_THAT(convert_error(first), HasSubstr("m-00002-of-00003.gguf is missing: part 2 of 3"));
}

TEST(SplitGgufFiles, PartsThatDoNotFit) {
  const GgufBuilder whole = gguf_of_checkpoint(mixtral(), GgufExperts::kMerged);
  const std::pair<const char*, std::function<void(SplitGguf&)>> cases[] = {
      {"says that it is part 2 of 3, its name says 3 of 3",
       [](auto& s) { s.part(2).put("split.no", 2, GgufBuilder::encoded(uint16_t{1})); }},
      {"says that it is part 2 of 4",
       [](auto& s) { s.part(1).put("split.count", 2, GgufBuilder::encoded(uint16_t{4})); }},
      {"split.no is missing", [](auto& s) { s.part(1).erase("split.no"); }},
      {"is part 2 of 3; give the first one",
       [](auto& s) { s.part(0).put("split.no", 2, GgufBuilder::encoded(uint16_t{1})); }},
      {"split.count is 0", [](auto& s) { s.part(0).u32("split.count", 0); }},
      {"split.count is 4000000000", [](auto& s) { s.part(0).u32("split.count", 4000000000u); }},
      {"split.tensors.count says", [](auto& s) { s.part(2).tensors.pop_back(); }},
      {"keep one of them", [](auto& s) { s.part(2).tensors.push_back(s.part(1).tensors.front()); }},
  };
  for (const auto& [message, change] : cases) {
    const TempDir folder;
    SplitGguf split(whole, 3);
    change(split);
    EXPECT_THAT(convert_error(split.write(folder)), HasSubstr(message));
  }
}

TEST(SplitGgufFiles, RenamedFirstPart) {
  const TempDir folder;
  const fs::path first =
      SplitGguf(gguf_of_checkpoint(mixtral(), GgufExperts::kMerged), 3).write(folder);
  fs::rename(first, folder.path() / "m.gguf");
  EXPECT_THAT(convert_error(folder.path() / "m.gguf"), HasSubstr("end in -00001-of-00003.gguf"));
}

}  // namespace
}  // namespace octavo::test
