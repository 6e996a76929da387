// Exported files hold the model's values bit by bit, under the names and in the order of GGUF.
#include "octavo/convert.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>

#include "convert/gguf_reader.h"
#include "io/model_writer.h"
#include "io/small_model.h"
#include "quant/packed.h"
#include "support/converted.h"

namespace octavo::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ExportSummary export_to(const std::string& model, const std::string& output, int threads = 2) {
  ExportOptions options;
  options.model = model;
  options.output = output;
  options.threads = threads;
  return export_gguf(options);
}

/// ggml's number of each type, from ggml.h.
const std::map<Format, uint32_t> kTypeNumbers = {
    {Format::kF32, 0},  {Format::kF16, 1},   {Format::kBF16, 30}, {Format::kQ8_0, 8},
    {Format::kQ4_0, 2}, {Format::kQ4_K, 12}, {Format::kQ5_K, 13}, {Format::kQ6_K, 14}};

/// Where row `row` of a tensor of the model file belongs.
struct Place {
  std::string name;
  int64_t expert = 0;
  bool rotated = false;
};

Place place_of(const ModelConfig& config, const std::string& name) {
  static const std::map<std::string, std::string> kWhole = {
      {"embedding", "token_embd"}, {"norm", "output_norm"}, {"output", "output"}};
  static const std::map<std::string, std::string> kInLayer = {{"attention_norm", "attn_norm"},
                                                              {"wq", "attn_q"},
                                                              {"wk", "attn_k"},
                                                              {"wv", "attn_v"},
                                                              {"wo", "attn_output"},
                                                              {"ffn_norm", "ffn_norm"},
                                                              {"router", "ffn_gate_inp"},
                                                              {"w1", "ffn_gate"},
                                                              {"w2", "ffn_down"},
                                                              {"w3", "ffn_up"}};
  if (const auto whole = kWhole.find(name); whole != kWhole.end()) {
    return {whole->second + ".weight"};
  }
  const std::string last = name.substr(name.rfind('.') + 1);
  const int64_t layer = std::stoll(name.substr(7));
  const size_t experts = name.find(".experts.");
  const std::string merged = experts != std::string::npos && config.experts > 0 ? "_exps" : "";
  return {fmt::format("blk.{}.{}{}.weight", layer, kInLayer.at(last), merged),
          experts == std::string::npos ? 0 : std::stoll(name.substr(experts + 9)),
          last == "wq" || last == "wk"};
}

std::vector<float> model_row(const ModelFile& model, const TensorEntry& entry, int64_t row) {
  std::vector<float> values(static_cast<size_t>(entry.cols));
  const TensorView view = model.view(entry);
  if (entry.order == Order::kPlain) {
    std::memcpy(values.data(), view.data, values.size() * sizeof(float));
  } else {
    dequantize_packed_row(entry.format, view.data, row, values);
  }
  return values;
}

/// Every value of the model is in the file, and no tensor more. `format_of`: what each should be
/// stored as.
void expect_same_values(const ModelFile& model, const ReadGguf& gguf,
                        const std::function<Format(const TensorEntry&)>& format_of) {
  const ModelConfig& c = model.config();
  std::set<std::string> seen;
  for (const TensorEntry& entry : model.directory().tensors) {
    const Place place = place_of(c, entry.name);
    seen.insert(place.name);
    const auto found = gguf.tensors.find(place.name);
    ASSERT_NE(found, gguf.tensors.end()) << place.name;
    const ReadGgufTensor& tensor = found->second;
    std::vector<int64_t> shape = {entry.cols};
    if (entry.order != Order::kPlain) shape.push_back(entry.rows);
    if (place.name.find("_exps") != std::string::npos) shape.push_back(c.experts);
    ASSERT_EQ(tensor.shape, shape) << place.name;
    const Format format = format_of(entry);
    ASSERT_EQ(tensor.type, kTypeNumbers.at(format)) << place.name;
    for (int64_t row = 0; row < entry.rows; ++row) {
      // Half-split to pairs: row i of the first half to 2 i, of the second to 2 i + 1.
      const int64_t i = row % c.head_dim, half = c.head_dim / 2;
      const int64_t to = place.rotated ? row - i + i % half * 2 + i / half : row;
      const std::vector<float> expected = model_row(model, entry, row);
      const std::vector<float> actual = gguf_row(tensor, format, place.expert * entry.rows + to);
      ASSERT_EQ(std::memcmp(actual.data(), expected.data(), actual.size() * sizeof(float)), 0)
          << entry.name << " row " << row;
    }
  }
  EXPECT_EQ(seen.size(), gguf.tensors.size());
}

struct Shape {
  const char* name;
  ModelConfig config;
};

std::vector<Shape> shapes() {
  ModelConfig base = small_config();
  base.layers = 2;
  std::vector<Shape> list = {{"TwoExpertsOf48", base}};
  const auto add = [&](const char* name, const std::function<void(ModelConfig&)>& change) {
    list.push_back({name, base});
    change(list.back().config);
  };
  add("SuperBlocks", [](auto& c) { c.dim = 256, c.ffn_dim = 512, c.experts = 3; });
  add("Dense", [](auto& c) {
    c.architecture = "mistral", c.experts = c.experts_per_token = 0, c.window = 9;
  });
  add("TiedOutput", [](auto& c) { c.tied_output = true; });
  add("HeadsOf40", [](auto& c) { c.head_dim = 40; });
  add("HeadsOfTwo", [](auto& c) { c.heads = c.kv_heads = 3, c.head_dim = 2; });
  add("OddVocabulary", [](auto& c) { c.vocab = 131, c.ffn_dim = 172, c.experts = 5; });
  add("OneExpert", [](auto& c) { c.experts = 1; });
  return list;
}

/// Random weights of a shape in a format.
std::string synthesize_in(const TempDir& folder, const ModelConfig& config, Format format) {
  SynthOptions options;
  options.config = config;
  options.output = folder.file(fmt::format("{}.8vo", format_name(format)));
  options.type = format_name(format);
  options.seed = 1;
  options.threads = 1;
  synthesize(options);
  return options.output;
}

class ExportShape : public ::testing::TestWithParam<Shape> {};
INSTANTIATE_TEST_SUITE_P(Shapes, ExportShape, ::testing::ValuesIn(shapes()),
                         [](const auto& row) { return row.param.name; });

TEST_P(ExportShape, HasTheModelsValues) {
  const TempDir folder;
  for (const Format format : all_formats()) {
    const std::string path = synthesize_in(folder, GetParam().config, format);
    const ModelFile model(path);
    const ExportSummary summary = export_to(path, folder.file("out.gguf"));
    const std::string bytes = read_file(folder.file("out.gguf"));
    EXPECT_EQ(static_cast<int64_t>(bytes.size()), summary.output_bytes);
    EXPECT_EQ(bytes.size() % 32, 0u);
    int64_t fallen_back = 0;
    expect_same_values(model, ReadGguf(bytes), [&](const TensorEntry& entry) {
      const bool whole = entry.cols % traits(entry.format).block_cols == 0;
      fallen_back += whole ? 0 : 1;
      return whole ? entry.format : Format::kF32;
    });
    EXPECT_EQ(fallen_back > 0, std::any_of(summary.notes.begin(), summary.notes.end(), [](auto& n) {
                return n.find("stored as f32") != std::string::npos;
              }));
    export_to(path, folder.file("five.gguf"), 5);
    EXPECT_EQ(bytes, read_file(folder.file("five.gguf"))) << format_name(format);
  }
}

// An expert of another type makes its merged tensor f32, and no other.
TEST(Export, MixedExperts) {
  const TempDir folder;
  ModelConfig config = small_config();
  config.ffn_dim = 64;
  const ModelFile q4(synthesize_in(folder, config, Format::kQ4_0));
  const ModelFile q8(synthesize_in(folder, config, Format::kQ8_0));
  const auto from = [&](const std::string& name) -> const ModelFile& {
    return name == "layers.0.experts.1.w2" || name == "output" ? q8 : q4;
  };
  ModelDirectory directory = q4.directory();
  for (size_t i = 0; i < directory.tensors.size(); ++i) {
    directory.tensors[i] = from(directory.tensors[i].name).directory().tensors[i];
  }
  ModelWriter writer(folder.file("mixed.8vo"), directory);
  for (size_t i = 0; i < directory.tensors.size(); ++i) {
    const ModelFile& file = from(directory.tensors[i].name);
    const TensorView view = file.view(file.directory().tensors[i]);
    writer.append(i, {view.data, static_cast<size_t>(view.bytes)});
  }
  writer.finish();
  const ExportSummary summary = export_to(folder.file("mixed.8vo"), folder.file("out.gguf"));
  expect_same_values(ModelFile(folder.file("mixed.8vo")),
                     ReadGguf(read_file(folder.file("out.gguf"))), [](const TensorEntry& entry) {
                       return entry.name.ends_with(".w2") ? Format::kF32 : entry.format;
                     });
  EXPECT_THAT(summary.notes, Contains("1 tensor stored as f32: the experts in one have different "
                                      "types (q8_0, q4_0)"));
}

TEST(Export, SaysWhatTheModelIs) {
  const TempDir folder;
  const Converted model(pocket_mixtral(), Format::kQ4_K);
  const ExportSummary summary = export_to(model.path(), folder.file("out.gguf"));
  EXPECT_THAT(summary.notes, IsEmpty());
  ReadGguf gguf(read_file(folder.file("out.gguf")));
  const auto take = [&](const char* key) {
    const nlohmann::json value = gguf.metadata.at(key);
    gguf.metadata.erase(key);
    return value;
  };
  EXPECT_EQ(take("tokenizer.ggml.tokens").size(), 4096u);
  EXPECT_EQ(take("tokenizer.ggml.scores").size(), 4096u);
  EXPECT_EQ(take("tokenizer.ggml.token_type").size(), 4096u);
  const std::map<std::string, nlohmann::json> expected = {
      {"general.architecture", "llama"},
      {"general.name", "pocket-mixtral"},
      {"general.file_type", 14},
      {"general.quantization_version", 2},
      {"general.alignment", 32},
      {"llama.vocab_size", 4096},
      {"llama.context_length", 2048},
      {"llama.embedding_length", 256},
      {"llama.block_count", 6},
      {"llama.feed_forward_length", 256},
      {"llama.attention.head_count", 8},
      {"llama.attention.head_count_kv", 2},
      {"llama.attention.key_length", 32},
      {"llama.attention.value_length", 32},
      {"llama.attention.layer_norm_rms_epsilon", 1e-5F},
      {"llama.rope.dimension_count", 32},
      {"llama.rope.freq_base", 1e6F},
      {"llama.expert_count", 8},
      {"llama.expert_used_count", 2},
      {"tokenizer.ggml.model", "llama"},
      {"tokenizer.ggml.bos_token_id", 1},
      {"tokenizer.ggml.eos_token_id", 2},
      {"tokenizer.ggml.unknown_token_id", 0},
      {"tokenizer.ggml.add_bos_token", true},
      {"tokenizer.ggml.add_eos_token", false},
      {"tokenizer.ggml.add_space_prefix", true},
      {"tokenizer.ggml.remove_extra_whitespaces", false},
  };
  EXPECT_EQ(gguf.metadata, expected);
}

// llama.cpp's own converter made the other file of the same checkpoint.
TEST(Export, IsWhatLlamaCppsConverterMakes) {
  const auto path = shared_data("models/pocket-mixtral-gguf/pocket-mixtral-F16.gguf");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const TempDir folder;
  const Converted model(pocket_mixtral(), Format::kF16);
  const ExportSummary summary = export_to(model.path(), folder.file("out.gguf"));
  const ReadGguf ours(read_file(folder.file("out.gguf"))), theirs(read_file(path));
  ASSERT_EQ(ours.tensors.size(), theirs.tensors.size());
  EXPECT_EQ(static_cast<int64_t>(ours.tensors.size()), summary.tensors);
  for (const auto& [name, mine] : ours.tensors) {
    const ReadGgufTensor& other = theirs.tensors.at(name);
    EXPECT_EQ(mine.shape, other.shape) << name;
    EXPECT_EQ(mine.type, other.type) << name;
    int64_t values = 1;
    for (const auto extent : mine.shape) values *= static_cast<int64_t>(extent);
    const auto bytes = static_cast<size_t>(mine.type == 0 ? 4 * values : 2 * values);
    EXPECT_TRUE(mine.data.substr(0, bytes) == other.data.substr(0, bytes)) << name;
  }
  for (const auto& [key, value] : theirs.metadata) {
    if (key == "general.name") continue;
    EXPECT_EQ(ours.metadata.at(key), value) << key;
  }
}

}  // namespace
}  // namespace octavo::test
