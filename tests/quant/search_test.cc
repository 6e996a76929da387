// The scale search against plain round-to-nearest, in the error that it minimises.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <vector>

#include "quant/float16.h"
#include "quant/rows.h"
#include "support/files.h"
#include "support/random.h"
#include "support/safetensors.h"

namespace octavo::test {
namespace {

struct Errors {
  double searched = 0, nearest = 0;
  int64_t blocks = 0, worse = 0;
};

// Weighted squared error of each block of the format; importance empty: the default one.
Errors compare(Format format, std::span<const float> values, std::span<const float> importance) {
  const auto cols = static_cast<int64_t>(values.size());
  const auto block = static_cast<size_t>(traits(format).block_cols);
  std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(format, cols)));
  std::vector<float> searched(values.size()), nearest(values.size());
  quantize_row(format, values, bytes.data(), importance);
  dequantize_row(format, bytes.data(), searched);
  quantize_row_nearest(format, values, bytes.data());
  dequantize_row(format, bytes.data(), nearest);
  Errors errors;
  for (size_t first = 0; first < values.size(); first += block) {
    double with_search = 0, without = 0;
    for (size_t k = first; k < first + block; ++k) {
      double weight = 0;
      if (importance.empty()) {
        double square = 0;
        for (size_t i = k / 32 * 32; i < k / 32 * 32 + 32; ++i) {
          square += static_cast<double>(values[i]) * static_cast<double>(values[i]);
        }
        weight = 1 + std::abs(static_cast<double>(values[k])) / std::sqrt(square / 32);
      } else {
        weight = static_cast<double>(importance[k]);
      }
      const double x = static_cast<double>(values[k]);
      with_search += weight * std::pow(x - static_cast<double>(searched[k]), 2);
      without += weight * std::pow(x - static_cast<double>(nearest[k]), 2);
    }
    errors.searched += with_search;
    errors.nearest += without;
    ++errors.blocks;
    errors.worse += with_search > without * (1 + 1e-5) ? 1 : 0;
  }
  return errors;
}

struct Goal {
  Format format;
  double share;  // of round-to-nearest's squared error that may be left
};

class Search : public ::testing::TestWithParam<Goal> {};
INSTANTIATE_TEST_SUITE_P(Formats, Search,
                         ::testing::Values(Goal{Format::kQ8_0, 0.9}, Goal{Format::kQ4_0, 0.9},
                                           Goal{Format::kQ4_K, 0.9}, Goal{Format::kQ5_K, 0.9},
                                           Goal{Format::kQ6_K, 0.9}),
                         [](const auto& row) {
                           return std::string(format_name(row.param.format));
                         });

TEST_P(Search, BeatsNearestOnNormalValues) {
  Random random(1);
  const Errors errors = compare(GetParam().format, random.normals(256 * 200, 0.02f), {});
  EXPECT_LT(errors.searched, GetParam().share * errors.nearest);
  EXPECT_LE(errors.worse, is_super(GetParam().format) ? errors.blocks / 100 : 0);
}

TEST_P(Search, BeatsNearestOnTrainedWeights) {
  for (const SafeTensor& tensor : read_safetensors(pocket_mixtral() / "model.safetensors")) {
    if (tensor.name.find("layers.0.") == std::string::npos || tensor.shape.size() != 2) continue;
    std::vector<float> values(tensor.bytes.size() / 2);
    for (size_t k = 0; k < values.size(); ++k) {
      uint16_t bits;
      std::memcpy(&bits, tensor.bytes.data() + 2 * k, 2);
      values[k] = bf16_to_f32(bits);
    }
    const Errors errors = compare(GetParam().format, values, {});
    EXPECT_LT(errors.searched, 0.95 * errors.nearest) << tensor.name;
  }
}

TEST_P(Search, FollowsTheImportance) {
  Random random(2);
  const std::vector<float> values = random.normals(256 * 40);
  std::vector<float> importance(values.size());
  for (size_t k = 0; k < values.size(); ++k) importance[k] = k % 8 == 0 ? 100.0f : 0.01f;
  const Errors errors = compare(GetParam().format, values, importance);
  EXPECT_LT(errors.searched, 0.6 * errors.nearest);
}

// All weights alike and one outlier that does not matter: the search lets it go.
TEST(SearchDetails, ClipsAnOutlierOfNoImportance) {
  std::vector<float> values(32, 0.5f), importance(32, 1.0f);
  for (size_t k = 0; k < values.size(); k += 2) values[k] = -0.25f;
  values[7] = 40.0f;
  importance[7] = 0.0f;
  std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(Format::kQ8_0, 32)));
  std::vector<float> back(32);
  quantize_row(Format::kQ8_0, values, bytes.data(), importance);
  dequantize_row(Format::kQ8_0, bytes.data(), back);
  for (size_t k = 0; k < 32; ++k) {
    if (k == 7) continue;
    EXPECT_NEAR(back[k], values[k], 0.1f) << k;
  }
}

TEST(SearchDetails, NoImportanceAtAllIsNoTrap) {
  Random random(3);
  const std::vector<float> values = random.normals(256), importance(256, 0.0f);
  for (const Format format : all_formats()) {
    std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(format, 256)));
    std::vector<float> back(256);
    quantize_row(format, values, bytes.data(), importance);
    dequantize_row(format, bytes.data(), back);
    for (const float value : back) ASSERT_TRUE(std::isfinite(value)) << format_name(format);
  }
}

// llama.cpp's own file of the shipped model holds, byte for byte, what quantize_row_nearest makes.
TEST(SearchDetails, NearestIsTheFieldsOwn) {
  for (const auto& [format, file] : {std::pair{Format::kQ8_0, "pocket-mixtral-Q8_0.gguf"},
                                     std::pair{Format::kQ4_0, "pocket-mixtral-Q4_0.gguf"}}) {
    const std::filesystem::path path = shared_data("models/pocket-mixtral-gguf") / file;
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
    const std::string gguf = read_file(path);
    int64_t checked = 0;
    for (const SafeTensor& tensor : read_safetensors(pocket_mixtral() / "model.safetensors")) {
      if (tensor.name.find("layers.3.self_attn.o_proj") == std::string::npos) continue;
      std::vector<float> values(tensor.bytes.size() / 2);
      for (size_t k = 0; k < values.size(); ++k) {
        uint16_t bits;
        std::memcpy(&bits, tensor.bytes.data() + 2 * k, 2);
        values[k] = bf16_to_f32(bits);
      }
      std::string bytes(static_cast<size_t>(row_bytes(format, tensor.shape[0] * tensor.shape[1])),
                        '\0');
      quantize_row_nearest(format, values, reinterpret_cast<std::byte*>(bytes.data()));
      EXPECT_NE(gguf.find(bytes), std::string::npos) << tensor.name << " in " << path;
      ++checked;
    }
    EXPECT_EQ(checked, 1);
  }
}

}  // namespace
}  // namespace octavo::test
