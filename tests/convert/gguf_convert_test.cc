// What becomes of the blocks of a quantized GGUF file.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>

#include "cli/program.h"
#include "convert/checkpoint_tools.h"
#include "convert/gguf_blocks.h"
#include "convert/source.h"
#include "quant/float16.h"
#include "quant/packed.h"
#include "support/checkpoint.h"
#include "support/gguf.h"
#include "support/random.h"

namespace octavo::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

ModelConfig small_config() {
  ModelConfig config;
  config.architecture = "mixtral";
  config.dim = 256;
  config.layers = 1;
  config.heads = 8;
  config.kv_heads = 2;
  config.head_dim = 32;
  config.ffn_dim = 512;
  config.experts = 2;
  config.experts_per_token = 2;
  config.vocab = 48;
  config.context = 64;
  config.rope_theta = 1e6;
  config.norm_eps = 1e-5;
  return config;
}

// Blocks of random bits, but for scales of about `scale`.
std::string random_blocks_of(SourceType type, int64_t values, Random& random, double scale) {
  const SourceTypeTraits& row = traits(type);
  std::string bytes;
  while (static_cast<int64_t>(bytes.size()) < values / row.block_cols * row.block_bytes) {
    std::string block(static_cast<size_t>(row.block_bytes), '\0');
    for (char& byte : block) byte = static_cast<char>(random.below(256));
    const auto d = f32_to_f16(static_cast<float>(random.uniform(-scale, scale)));
    const auto set = [&](size_t at) { std::memcpy(block.data() + at, &d, 2); };
    switch (type) {
      case SourceType::kQ6_K:
      case SourceType::kQ3_K:
        set(block.size() - 2);
        break;
      case SourceType::kQ2_K:
        set(block.size() - 2);
        set(block.size() - 4);
        break;
      case SourceType::kQ4_1:
      case SourceType::kQ5_1:
      case SourceType::kQ4_K:
      case SourceType::kQ5_K:
        set(2);
        [[fallthrough]];
      default:
        set(0);
    }
    bytes += block;
  }
  return bytes;
}

// A model with matrices of one type; norms and routers f32.
GgufBuilder model_of(SourceType type) {
  const TempDir folder;
  write_random_checkpoint(folder.path(), small_config(), 1);
  GgufBuilder builder = gguf_of_checkpoint(folder.path(), GgufExperts::kMerged);
  Random random(2);
  for (GgufTestTensor& tensor : builder.tensors) {
    if (tensor.shape.size() == 1 || tensor.name.find("gate_inp") != std::string::npos) continue;
    const auto values = static_cast<int64_t>(tensor.bytes.size() / 4);
    tensor.type = traits(type).name;
    tensor.bytes = random_blocks_of(type, values, random, 0.01);
  }
  return builder;
}

struct Result {
  ConvertSummary summary;
  std::string bytes;
};

Result convert_builder(const GgufBuilder& builder, std::optional<Format> format = std::nullopt) {
  const TempDir folder;
  ConvertOptions options;
  options.source = folder.file("model.gguf");
  options.output = folder.file("out.8vo");
  if (format) options.type = format_name(*format);
  options.threads = 2;
  write_file(options.source, builder.bytes());
  Result result;
  result.summary = convert(options);
  result.bytes = read_file(options.output);
  return result;
}

// The message that converting without a type gives.
std::string error_of(const GgufBuilder& builder) {
  try {
    convert_builder(builder);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// Every value of every tensor of the model file, beside what the blocks of the source say.
void expect_exact(const GgufBuilder& builder, const std::string& bytes) {
  const TempDir folder;
  write_file(folder.file("model.gguf"), builder.bytes());
  const ModelSource source = open_source(folder.file("model.gguf"));
  const ModelDirectory directory = directory_of(bytes);
  for (size_t i = 0; i < directory.tensors.size(); ++i) {
    const TensorEntry& entry = directory.tensors[i];
    if (entry.order == Order::kPlain) continue;
    const auto* packed = reinterpret_cast<const std::byte*>(bytes.data()) + entry.offset;
    std::vector<float> expected(static_cast<size_t>(entry.cols)), values(expected.size());
    for (int64_t row = 0; row < entry.rows; ++row) {
      read_row(source.tensors[i], row, expected);
      dequantize_packed_row(entry.format, packed, row, values);
      ASSERT_EQ(std::memcmp(values.data(), expected.data(), 4 * values.size()), 0)
          << entry.name << " row " << row;
    }
  }
}

class Lossless : public ::testing::TestWithParam<SourceType> {};
INSTANTIATE_TEST_SUITE_P(Types, Lossless,
                         ::testing::Values(SourceType::kQ4_0, SourceType::kQ5_0, SourceType::kQ8_0,
                                           SourceType::kQ4_K, SourceType::kQ5_K, SourceType::kQ6_K,
                                           SourceType::kIQ4_NL),
                         [](const auto& row) { return std::string(traits(row.param).name); });

TEST_P(Lossless, BlocksKeepTheirValues) {
  const GgufBuilder builder = model_of(GetParam());
  const Result result = convert_builder(builder);
  expect_exact(builder, result.bytes);
  EXPECT_THAT(result.summary.requantized, SizeIs(0));
  EXPECT_EQ(result.summary.contents.type, "source");
  const Format kept = traits(GetParam()).kept_as;
  for (const TensorEntry& entry : directory_of(result.bytes).tensors) {
    if (entry.format != Format::kF32) {
      EXPECT_EQ(entry.format, kept) << entry.name;
    }
  }
}

class Lossy : public ::testing::TestWithParam<SourceType> {};
INSTANTIATE_TEST_SUITE_P(Types, Lossy,
                         ::testing::Values(SourceType::kQ4_1, SourceType::kQ5_1, SourceType::kQ2_K,
                                           SourceType::kQ3_K, SourceType::kQ5_K, SourceType::kQ6_K,
                                           SourceType::kIQ4_XS),
                         [](const auto& row) { return std::string(traits(row.param).name); });

// The error said is that of the file, up to the order of the sums.
TEST_P(Lossy, ErrorIsThatOfTheFile) {
  const GgufBuilder builder = model_of(GetParam());
  const TempDir folder;
  write_file(folder.file("model.gguf"), builder.bytes());
  const ModelSource source = open_source(folder.file("model.gguf"));
  std::vector<Format> formats = {Format::kQ8_0};
  if (GetParam() == SourceType::kQ6_K) formats.push_back(Format::kQ4_K);  // its search takes long
  for (const Format format : formats) {
    const Result result = convert_builder(builder, format);
    const ModelDirectory directory = directory_of(result.bytes);
    double error = 0, square = 0;
    int64_t tensors = 0;
    for (size_t i = 0; i < directory.tensors.size(); ++i) {
      const TensorEntry& entry = directory.tensors[i];
      if (entry.format == Format::kF32) continue;
      ++tensors;
      const auto* packed = reinterpret_cast<const std::byte*>(result.bytes.data()) + entry.offset;
      std::vector<float> expected(static_cast<size_t>(entry.cols)), values(expected.size());
      for (int64_t row = 0; row < entry.rows; ++row) {
        read_row(source.tensors[i], row, expected);
        dequantize_packed_row(entry.format, packed, row, values);
        for (size_t k = 0; k < values.size(); ++k) {
          error += std::pow(double{values[k]} - expected[k], 2);
          square += std::pow(double{expected[k]}, 2);
        }
      }
    }
    ASSERT_THAT(result.summary.requantized, SizeIs(1));
    const Requantized& said = result.summary.requantized[0];
    EXPECT_EQ(said.from, traits(GetParam()).name);
    EXPECT_EQ(said.to, format_name(format));
    EXPECT_EQ(said.tensors, tensors);
    EXPECT_EQ(said.measured, tensors);
    EXPECT_NEAR(said.error, std::sqrt(error / square), 1e-9);
    EXPECT_GT(said.error, 1e-4);
    EXPECT_LT(said.error, format == Format::kQ8_0 ? 0.02 : 0.2);
  }
}

TEST(GgufConvert, WithoutATypeWhatHasNoEqualBecomesQ8) {
  const Result result = convert_builder(model_of(SourceType::kQ3_K));
  ASSERT_THAT(result.summary.requantized, SizeIs(1));
  EXPECT_EQ(result.summary.requantized[0].to, "q8_0");
}

TEST(GgufConvert, FloatsHoldEveryValue) {
  const GgufBuilder builder = model_of(SourceType::kQ3_K);
  const Result result = convert_builder(builder, Format::kF32);
  expect_exact(builder, result.bytes);
  EXPECT_THAT(result.summary.requantized, SizeIs(0));
}

TEST(GgufConvert, ProgramSaysWhatWasLost) {
  const TempDir folder;
  write_file(folder.file("model.gguf"), model_of(SourceType::kQ3_K).bytes());
  const std::vector<std::string> arguments = {"convert", folder.file("model.gguf"), "--to",
                                              folder.file("out.8vo")};
  const Outcome outcome = run_program(arguments);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("12 tensors Q3_K to q8_0, relative error 0.00"));
  std::vector<std::string> dry = arguments;
  dry.emplace_back("--dry-run");
  EXPECT_THAT(run_program(dry).out, HasSubstr("12 tensors Q3_K to q8_0\n"));
}

// Blocks that are copied are looked at too. Rows of wq come in another order, the place is the
// file's.
TEST(GgufConvert, ScaleThatIsNoNumberIsFoundWithItsPlace) {
  for (const SourceType type : {SourceType::kQ4_0, SourceType::kQ8_0, SourceType::kQ4_K,
                                SourceType::kQ5_0, SourceType::kQ6_K}) {
    const SourceTypeTraits& row = traits(type);
    const GgufBuilder whole = model_of(type);
    for (const char* name : {"blk.0.attn_q.weight", "blk.0.ffn_down_exps.weight"}) {
      GgufBuilder builder = whole;
      GgufTestTensor& tensor = builder.tensor(name);
      const auto row_blocks = static_cast<size_t>(tensor.shape.back() / row.block_cols);
      const size_t block = (33 * row_blocks + row_blocks - 1) * size_t(row.block_bytes);
      const size_t scale = type == SourceType::kQ6_K ? size_t(row.block_bytes) - 2 : 0;
      const uint16_t bad = name[6] == 'a' ? 0xFC00 : 0x7E01;  // an infinity, not a number
      std::memcpy(tensor.bytes.data() + block + scale, &bad, 2);
      const auto column = static_cast<int64_t>(tensor.shape.back()) - row.block_cols;
      EXPECT_THAT(error_of(builder), AllOf(HasSubstr("model.gguf"), HasSubstr(name),
                                           HasSubstr(fmt::format("[33, {}]", column))));
    }
  }
}

}  // namespace
}  // namespace octavo::test
