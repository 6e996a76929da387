// Models of which some layers, or the experts, are on the CPU: the goldens, forks, saved entries,
// with a GPU that is emulated.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "backend/split_backend.h"
#include "cuda_emulation/device.h"
#include "support/converted.h"
#include "support/files.h"
#include "support/npy.h"
#include "support/random.h"

namespace octavo::test {
namespace {

constexpr double kTolerance = 5e-5;  // max abs, what the project promises of f32
constexpr int64_t kLayers = 2;       // of both models

struct Parts {
  int64_t first_on_gpu;
  bool experts_on_cpu;
};

std::shared_ptr<Device> make_split(const Parts& parts) {
  return make_split_device(cuda_emulation::make_device(), make_device("cpu"),
                           {kLayers, parts.first_on_gpu, parts.experts_on_cpu});
}

class SplitModel : public ::testing::TestWithParam<Parts> {
 protected:
  static std::unique_ptr<Runner> run(const Converted& file, std::shared_ptr<Device> device) {
    TransformerOptions options;
    options.kv_type = KvType::kF32;
    return std::make_unique<Runner>(file.path(), options, std::move(device));
  }
};
INSTANTIATE_TEST_SUITE_P(Splits, SplitModel,
                         ::testing::Values(Parts{0, false}, Parts{0, true}, Parts{1, false},
                                           Parts{1, true}, Parts{2, false}),
                         [](const auto& test) {
                           return fmt::format("From{}{}", test.param.first_on_gpu,
                                              test.param.experts_on_cpu ? "WithoutExperts" : "");
                         });

TEST_P(SplitModel, Goldens) {
  for (const char* model : {"tiny-mixtral", "tiny-mistral-swa"}) {
    const Converted file(test_data(model) / "hf", Format::kF32);
    const std::vector<nlohmann::json> cases = read_json(test_data(model) / "golden.json")["cases"];
    for (size_t i = 0; i < cases.size(); ++i) {
      const auto ids = cases[i]["ids"].get<std::vector<int32_t>>();
      const NpyArray array =
          read_npy(test_data(model) / "golden" / fmt::format("c{}.logits.npy", i));
      const Matrix expected = to_matrix(array.values, array.rows(), array.cols());
      const std::vector<int64_t> pieces = {9, 1, 17, 2};
      EXPECT_LT(max_difference(run(file, make_split(GetParam()))->logits_in(ids, pieces), expected),
                kTolerance)
          << model << ", case " << i;
    }
  }
}

TEST_P(SplitModel, ForksShiftsAndEntriesAsOnTheCpu) {
  const Converted file(test_data("tiny-mixtral") / "hf", Format::kF32);
  const std::vector<int32_t> ids = Random(1).ids(90, 128);
  std::vector<Matrix> results[2];
  std::vector<std::byte> entries[2];
  for (const bool split : {false, true}) {
    const auto runner = run(file, split ? make_split(GetParam()) : make_device("cpu"));
    const auto fork = run(file, split ? make_split(GetParam()) : make_device("cpu"));
    runner->logits(ids);
    EXPECT_GT(runner->transformer().kv_bytes(), 0);
    const KvCache& cache = runner->transformer().cache();
    entries[split].resize(static_cast<size_t>(kv_entry_bytes(cache.shape()) * 50));
    cache.read(1, 20, 50, entries[split]);
    fork->transformer().share(runner->transformer());
    runner->transformer().drop(4, 30);
    results[split].push_back(runner->logits(std::span(ids).first(9)));
    results[split].push_back(fork->logits(std::span(ids).first(9)));
  }
  for (size_t i = 0; i < results[0].size(); ++i) {
    EXPECT_LT(max_difference(results[0][i], results[1][i]), kTolerance) << i;
  }
  for (size_t i = 0; i < entries[0].size(); i += sizeof(float)) {
    float a = 0, b = 0;
    std::memcpy(&a, entries[0].data() + i, sizeof a);
    std::memcpy(&b, entries[1].data() + i, sizeof b);
    ASSERT_NEAR(a, b, kTolerance) << "number " << i / sizeof a;
  }
}

}  // namespace
}  // namespace octavo::test
