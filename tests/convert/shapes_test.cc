// Models of every legal shape convert, in every format, to the same bytes with any thread count.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "convert/checkpoint_tools.h"
#include "quant/float16.h"
#include "quant/packed.h"
#include "quant/rows.h"
#include "support/checkpoint.h"

namespace octavo::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

struct Shape {
  const char* name;
  ModelConfig config;
};

std::vector<Shape> shapes() {
  const ModelConfig base = {.architecture = "mixtral",
                            .dim = 64,
                            .layers = 2,
                            .heads = 4,
                            .kv_heads = 2,
                            .head_dim = 16,
                            .ffn_dim = 172,
                            .experts = 5,
                            .experts_per_token = 3,
                            .vocab = 131,
                            .context = 64,
                            .rope_theta = 1e6,
                            .norm_eps = 1e-5};
  std::vector<Shape> list = {{"FiveExpertsOf172", base}};
  const auto add = [&](const char* name, const std::function<void(ModelConfig&)>& change) {
    list.push_back({name, base});
    change(list.back().config);
  };
  add("SixtyFourExpertsTopOne", [](auto& c) { c.experts = 64, c.experts_per_token = 1; });
  add("OneExpert", [](auto& c) { c.experts = c.experts_per_token = 1; });
  add("WideHeads", [](auto& c) { c.head_dim = 40; });
  add("OneKvHead", [](auto& c) { c.kv_heads = 1; });
  add("OneHead", [](auto& c) { c.heads = c.kv_heads = 1, c.head_dim = 2; });
  add("TiedOutput", [](auto& c) { c.tied_output = true; });
  add("SuperBlocks",
      [](auto& c) { c.dim = 256, c.ffn_dim = 512, c.experts = 2, c.experts_per_token = 1; });
  add("Dense", [](auto& c) {
    c.architecture = "mistral", c.experts = c.experts_per_token = 0, c.window = 9;
  });
  add("Smallest", [](auto& c) {
    c.dim = c.ffn_dim = c.heads = c.kv_heads = c.layers = c.vocab = c.context = 1, c.head_dim = 2;
    c.bos = c.eos = -1;
  });
  return list;
}

class AnyShape : public ::testing::TestWithParam<Shape> {};
INSTANTIATE_TEST_SUITE_P(Shapes, AnyShape, ::testing::ValuesIn(shapes()),
                         [](const auto& row) { return row.param.name; });

TEST_P(AnyShape, AnyThreadCountGivesTheSameBytes) {
  const TempDir folder;
  write_random_checkpoint(folder.path() / "m", GetParam().config, 1, Format::kBF16);
  for (const Format format : all_formats()) {
    const std::string one = convert_folder(folder.path() / "m", format, 1);
    EXPECT_EQ(directory_of(one).config, GetParam().config);
    EXPECT_EQ(one, convert_folder(folder.path() / "m", format, 5)) << format_name(format);
  }
}

std::map<std::string, std::string> hf_names(const ModelConfig& c) {
  std::map<std::string, std::string> names = {{"embedding", "model.embed_tokens.weight"},
                                              {"norm", "model.norm.weight"}};
  if (!c.tied_output) names["output"] = "lm_head.weight";
  for (int64_t l = 0; l < c.layers; ++l) {
    const std::string ours = fmt::format("layers.{}.", l), theirs = "model." + ours;
    names[ours + "attention_norm"] = theirs + "input_layernorm.weight";
    names[ours + "ffn_norm"] = theirs + "post_attention_layernorm.weight";
    for (const char* which : {"q", "k", "v", "o"}) {
      names[ours + "w" + which] = fmt::format("{}self_attn.{}_proj.weight", theirs, which);
    }
    if (c.experts > 0) names[ours + "router"] = theirs + "block_sparse_moe.gate.weight";
    for (int64_t e = 0; e < c.experts; ++e) {
      for (const char* which : {"w1", "w2", "w3"}) {
        names[fmt::format("{}experts.{}.{}", ours, e, which)] =
            fmt::format("{}block_sparse_moe.experts.{}.{}.weight", theirs, e, which);
      }
    }
    if (c.experts > 0) continue;
    names[ours + "experts.0.w1"] = theirs + "mlp.gate_proj.weight";
    names[ours + "experts.0.w2"] = theirs + "mlp.down_proj.weight";
    names[ours + "experts.0.w3"] = theirs + "mlp.up_proj.weight";
  }
  return names;
}

// Every row of every tensor is exactly what quantize_row makes of the source's row.
TEST_P(AnyShape, EveryRowIsTheSourcesRow) {
  const TempDir folder;
  write_random_checkpoint(folder.path() / "m", GetParam().config, 2, Format::kF32);
  std::vector<SafeTensor> source = read_safetensors(folder.path() / "m" / "model.safetensors");
  const auto names = hf_names(GetParam().config);
  for (const Format format : all_formats()) {
    const std::string bytes = convert_folder(folder.path() / "m", format, 2);
    const ModelDirectory directory = directory_of(bytes);
    ASSERT_EQ(directory.tensors.size(), names.size());
    for (const TensorEntry& entry : directory.tensors) {
      const SafeTensor& tensor = tensor_named(source, names.at(entry.name));
      const auto cols = static_cast<size_t>(entry.cols);
      std::vector<float> row(cols), expected(cols), actual(cols);
      std::vector<std::byte> blocks(static_cast<size_t>(row_bytes(entry.format, entry.cols)));
      for (int64_t r = 0; r < entry.rows; ++r) {
        std::memcpy(row.data(), tensor.bytes.data() + r * entry.cols * 4, cols * 4);
        quantize_row(entry.format, row, blocks.data());
        dequantize_row(entry.format, blocks.data(), expected);
        const auto* data = reinterpret_cast<const std::byte*>(bytes.data() + entry.offset);
        if (entry.order == Order::kPlain) {
          std::memcpy(actual.data(), data, cols * 4);
        } else {
          dequantize_packed_row(entry.format, data, r, actual);
        }
        ASSERT_EQ(actual, expected) << entry.name << " row " << r << " " << format_name(format);
      }
    }
  }
}

TEST(SourceTypes, F16AndBf16AreReadExactly) {
  for (const Format stored : {Format::kF16, Format::kBF16}) {
    const TempDir folder;
    write_random_checkpoint(folder.path() / "m", shapes().front().config, 3, stored);
    std::vector<SafeTensor> source = read_safetensors(folder.path() / "m" / "model.safetensors");
    const std::string bytes = convert_folder(folder.path() / "m", Format::kF32);
    for (const TensorEntry& entry : directory_of(bytes).tensors) {
      if (entry.name != "layers.1.wk") continue;
      const SafeTensor& tensor = tensor_named(source, "model.layers.1.self_attn.k_proj.weight");
      std::vector<float> row(static_cast<size_t>(entry.cols));
      for (int64_t r = 0; r < entry.rows; ++r) {
        dequantize_packed_row(
            entry.format, reinterpret_cast<const std::byte*>(bytes.data() + entry.offset), r, row);
        for (int64_t k = 0; k < entry.cols; ++k) {
          uint16_t bits;
          std::memcpy(&bits, tensor.bytes.data() + 2 * (r * entry.cols + k), 2);
          ASSERT_EQ(row[static_cast<size_t>(k)],
                    stored == Format::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits));
        }
      }
    }
  }
}

TEST(FallBacks, AreSaidInTheNotes) {
  const TempDir folder;
  write_random_checkpoint(folder.path() / "m", shapes().front().config, 4);
  const ModelDirectory directory = directory_of(convert_folder(folder.path() / "m", Format::kQ4_K));
  EXPECT_EQ(directory.requested_format, "q4_k");
  EXPECT_THAT(directory.notes, Contains(HasSubstr("of 172 columns stored as q8_0")));
  EXPECT_THAT(directory.notes, Contains(HasSubstr("of 172 columns padded to 192")));
  EXPECT_THAT(directory.notes, Contains(HasSubstr("of 131 rows padded to 144")));
  EXPECT_THAT(directory.notes, Contains(HasSubstr("no tokenizer.model")));
  for (const TensorEntry& entry : directory.tensors) {
    const bool small = entry.name.ends_with("norm") || entry.name.ends_with("router");
    EXPECT_EQ(entry.format, small ? Format::kF32 : Format::kQ8_0) << entry.name;
  }
}

}  // namespace
}  // namespace octavo::test
