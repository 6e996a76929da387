// Random models: the same bytes for a seed, sane values, and nothing left of a cancelled one.
#include <gtest/gtest.h>

#include <cstring>

#include <cmath>

#include "convert/checkpoint_tools.h"
#include "octavo/synthesize.hpp"
#include "quant/packed.h"

namespace octavo::test {
namespace {

ModelConfig config_of(int64_t dim, int64_t ffn_dim) {
  ModelConfig config = mixtral_8x7b_config();
  config.dim = dim;
  config.ffn_dim = ffn_dim;
  config.layers = 2;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 64;
  config.vocab = 1001;
  return config;
}

std::string synth(const ModelConfig& config, Format format, uint64_t seed, int threads) {
  const TempDir folder;
  SynthOptions options;
  options.config = config;
  options.output = folder.file("out.8vo");
  options.type = format_name(format);
  options.seed = seed;
  options.threads = threads;
  synthesize(options);
  return read_file(options.output);
}

class Synth : public ::testing::TestWithParam<Format> {};
INSTANTIATE_TEST_SUITE_P(Formats, Synth, ::testing::ValuesIn(all_formats()),
                         [](const auto& row) { return std::string(format_name(row.param)); });

TEST_P(Synth, SeedAloneDecides) {
  const std::string one = synth(config_of(256, 512), GetParam(), 1, 1);
  EXPECT_EQ(one, synth(config_of(256, 512), GetParam(), 1, 3));
  EXPECT_NE(one, synth(config_of(256, 512), GetParam(), 2, 1));
}

TEST_P(Synth, WeightsHaveTheVarianceThatKeepsActivationsSane) {
  for (const auto& [dim, ffn_dim] : {std::pair{256, 512}, std::pair{96, 172}}) {
    const std::string bytes = synth(config_of(dim, ffn_dim), GetParam(), 3, 1);
    for (const TensorEntry& entry : directory_of(bytes).tensors) {
      const auto* data = reinterpret_cast<const std::byte*>(bytes.data() + entry.offset);
      if (entry.order == Order::kPlain) continue;
      const double expected = entry.name == "embedding" ? 1 : 1.0 / static_cast<double>(entry.cols);
      double sum = 0, square = 0;
      std::vector<float> row(static_cast<size_t>(entry.cols));
      for (int64_t r = 0; r < entry.rows; ++r) {
        dequantize_packed_row(entry.format, data, r, row);
        for (const float value : row) {
          ASSERT_TRUE(std::isfinite(value)) << entry.name;
          sum += static_cast<double>(value);
          square += static_cast<double>(value) * static_cast<double>(value);
        }
      }
      const auto count = static_cast<double>(entry.rows * entry.cols);
      EXPECT_NEAR(square / count / expected, 1, 0.15) << entry.name;
      EXPECT_LE(std::abs(sum / count), 0.15 * std::sqrt(expected)) << entry.name;
    }
  }
}

TEST(SynthDetails, EveryTensorIsAnother) {
  const std::string bytes = synth(config_of(256, 512), Format::kQ4_0, 1, 1);
  std::map<uint64_t, std::string> seen;
  for (const TensorEntry& entry : directory_of(bytes).tensors) {
    if (entry.order == Order::kPlain) continue;
    const auto [found, is_new] = seen.emplace(entry.checksum, entry.name);
    EXPECT_TRUE(is_new) << entry.name << " equals " << found->second;
  }
}

TEST(SynthDetails, NormsAreOnes) {
  const std::string bytes = synth(config_of(96, 64), Format::kQ8_0, 1, 1);
  for (const TensorEntry& entry : directory_of(bytes).tensors) {
    if (entry.order != Order::kPlain) continue;
    std::vector<float> values(static_cast<size_t>(entry.cols));
    std::memcpy(values.data(), bytes.data() + entry.offset, values.size() * 4);
    EXPECT_EQ(values, std::vector<float>(values.size(), 1.0f));
  }
}

TEST(SynthDetails, ConfigIsChecked) {
  ModelConfig config = config_of(96, 64);
  config.kv_heads = 3;
  EXPECT_THROW(synth(config, Format::kQ8_0, 1, 1), Error);
}

TEST(Cancel, LeavesNothing) {
  const TempDir folder;
  SynthOptions synth_options;
  synth_options.config = config_of(256, 512);
  synth_options.output = folder.file("synth.8vo");
  synth_options.progress = [](int64_t done, int64_t total) { return done < total / 2; };
  EXPECT_THROW(synthesize(synth_options), Error);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(Cancel, KeepsTheUnfinishedConversion) {
  const TempDir folder;
  ConvertOptions options;
  options.source = test_data("tiny-mixtral/hf").string();
  options.output = folder.file("convert.8vo");
  int64_t last = -1, total_bytes = 0;
  options.progress = [&](int64_t done, int64_t total) {
    EXPECT_GT(done, last);
    last = done;
    total_bytes = total;
    return done < total;  // refuses at the very end
  };
  EXPECT_THROW(convert(options), Error);
  EXPECT_EQ(last, total_bytes);
  EXPECT_FALSE(fs::exists(options.output));
  EXPECT_TRUE(fs::exists(options.output + ".part"));
  EXPECT_TRUE(fs::exists(options.output + ".part.journal"));
}

}  // namespace
}  // namespace octavo::test
