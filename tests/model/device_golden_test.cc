// The goldens of tiny-mixtral and tiny-mistral-swa on every other device than the CPU.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "octavo/error.hpp"
#include "support/backend_fixture.h"
#include "support/converted.h"
#include "support/files.h"
#include "support/kernel_tables.h"
#include "support/npy.h"

namespace octavo::test {
namespace {

constexpr double kTolerance = 5e-5;  // max abs, what the project promises of f32

std::vector<std::string> other_devices() {
  std::vector<std::string> names = test_backend_names();
  std::erase(names, "cpu");
  return names;
}

/// Parameter: device and model folder.
class DeviceGolden : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  void SetUp() override {
    try {
      device_ = make_test_device(std::get<0>(GetParam()));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUnsupported) throw;
      GTEST_SKIP() << "skipped: " << error.what();
    }
  }
  const std::string& model() const { return std::get<1>(GetParam()); }
  Converted convert(Format format) const { return {test_data(model()) / "hf", format}; }
  Matrix golden(size_t one, const std::string& name) const {
    const NpyArray array =
        read_npy(test_data(model()) / "golden" / fmt::format("c{}.{}.npy", one, name));
    return to_matrix(array.values, array.rows(), array.cols());
  }
  std::vector<nlohmann::json> cases() const {
    return read_json(test_data(model()) / "golden.json").at("cases");
  }
  static std::vector<int32_t> ids(const nlohmann::json& one, const char* name = "ids") {
    return one.at(name).get<std::vector<int32_t>>();
  }
  std::unique_ptr<Runner> run(const Converted& file, KvType type, int64_t chunk = 512) const {
    TransformerOptions options;
    options.kv_type = type;
    options.chunk = chunk;
    return std::make_unique<Runner>(file.path(), options, device_);
  }

 private:
  std::shared_ptr<Device> device_;
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DeviceGolden);
INSTANTIATE_TEST_SUITE_P(Devices, DeviceGolden,
                         ::testing::Combine(::testing::ValuesIn(other_devices()),
                                            ::testing::Values("tiny-mixtral", "tiny-mistral-swa")),
                         [](const auto& test) {
                           const bool mixture = std::get<1>(test.param) == "tiny-mixtral";
                           return std::get<0>(test.param) + (mixture ? "_Mixtral" : "_MistralSwa");
                         });

TEST_P(DeviceGolden, LogitsOfTheWholePromptAndInChunks) {
  const Converted file = convert(Format::kF32);
  const std::vector<nlohmann::json> all = cases();
  for (size_t i = 0; i < all.size(); ++i) {
    for (const int64_t chunk : {512, 7}) {
      EXPECT_LT(
          max_difference(run(file, KvType::kF32, chunk)->logits(ids(all[i])), golden(i, "logits")),
          kTolerance)
          << "case " << i << " in chunks of " << chunk;
    }
  }
}

TEST_P(DeviceGolden, GreedyTokens) {
  if (model() != "tiny-mixtral") GTEST_SKIP() << "skipped: the model has no greedy golden";
  const Converted file = convert(Format::kF32);
  for (const nlohmann::json& one : cases()) {
    const std::vector<int32_t> greedy = ids(one, "greedy");
    const auto count = static_cast<int64_t>(greedy.size());
    EXPECT_EQ(run(file, KvType::kF32)->greedy(ids(one), count), greedy);
  }
}

// Every format and cache type, beside the CPU with the same file.
TEST_P(DeviceGolden, FormatsAndCachesAsOnTheCpu) {
  const std::vector<int32_t> prompt = ids(cases().front());
  for (const Format format : {Format::kF16, Format::kBF16, Format::kQ4_0}) {
    const Converted file = convert(format);
    for (const KvType type : {KvType::kF16, KvType::kBF16, KvType::kQ8_0}) {
      TransformerOptions options;
      options.kv_type = type;
      Runner cpu(file.path(), options);
      const Matrix expected = cpu.logits(prompt);
      EXPECT_LT(relative_rms(run(file, type)->logits(prompt), expected), 0.02)
          << format_name(format) << ", cache " << static_cast<int>(type);
    }
  }
}

}  // namespace
}  // namespace octavo::test
