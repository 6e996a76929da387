// A transformer on a CalibratingDevice: it computes what it computes without, and what it sums is
// what the reference model sends through each matrix.
#include <gtest/gtest.h>

#include "backend/calibrating_backend.h"
#include "support/converted.h"
#include "support/expected_calibration.h"
#include "support/float_device.h"
#include "support/random.h"

namespace octavo::test {
namespace {

// Both sides are float32 sums of a few hundred terms through two layers, squared.
constexpr double kTolerance = 1e-5;

ModelConfig mixture(int64_t experts, int64_t top_k) {
  return {.architecture = experts > 0 ? "mixtral" : "mistral",
          .dim = 64,
          .layers = 2,
          .heads = 4,
          .kv_heads = 2,
          .head_dim = 24,
          .ffn_dim = 172,
          .experts = experts,
          .experts_per_token = top_k,
          .vocab = 131,
          .context = 64,
          .rope_theta = 1e6,
          .norm_eps = 1e-5};
}

class CalibratingBackendTest : public ::testing::TestWithParam<ModelConfig> {
 protected:
  CalibratingBackendTest() {
    options_.chunk = 16;  // three batches, the last one short
    options_.kv_type = KvType::kF32;
  }

  /// The record of the ids; their logits in `logits`.
  void run(CalibrationRecord& record, std::vector<float>& logits) {
    CalibratingDevice device(*device_, record);
    Transformer transformer(file_.config(), weights_, device, options_);
    transformer.forward(ids_, Logits::kAll, [&](int64_t, int64_t, std::span<const float> values) {
      logits.insert(logits.end(), values.begin(), values.end());
    });
  }

  static void expect_sums(const CalibrationRecord& record, const Weight& weight,
                          const ExpectedInputs& expected, const std::string& name) {
    const auto found = record.sums.find(&weight);
    if (expected.tokens + expected.forced == 0) {
      EXPECT_TRUE(found == record.sums.end()) << name;
      return;
    }
    ASSERT_TRUE(found != record.sums.end()) << name;
    EXPECT_EQ(found->second.rows, expected.tokens) << name;
    const std::vector<double>& squares = found->second.squares;
    const Eigen::Map<const Matrix> actual(squares.data(), 1,
                                          static_cast<Eigen::Index>(squares.size()));
    EXPECT_LT(relative_rms(actual, expected.sums), kTolerance) << name;
  }

  const Converted model_{GetParam(), 1, Format::kF32};
  const ModelFile file_{model_.path()};
  const std::shared_ptr<Device> device_ = make_float_device();
  const std::shared_ptr<const ModelWeights> weights_ =
      std::make_shared<const ModelWeights>(load_weights(file_, *device_));
  const std::vector<int32_t> ids_ = Random(2).ids(41, 131);
  TransformerOptions options_;
};

TEST_P(CalibratingBackendTest, ComputesWhatTheInnerBackendComputes) {
  CalibrationRecord record;
  std::vector<float> logits;
  run(record, logits);
  Runner plain(model_.path(), options_, make_float_device());
  const auto rows = static_cast<int64_t>(ids_.size());
  EXPECT_LT(relative_rms(to_matrix(logits, rows, 131), plain.logits(ids_)), kTolerance);
}

TEST_P(CalibratingBackendTest, SumsWhatGoesThroughEachMatrix) {
  CalibrationRecord record;
  std::vector<float> logits;
  run(record, logits);
  EXPECT_EQ(record.next_row, 41);
  EXPECT_TRUE(record.misses.empty()) << "nobody asked for them";

  const ReferenceModel reference(file_);
  ExpectedCalibration expected(reference, file_.config());
  expected.add(ids_);
  const auto& inputs = expected.inputs();
  for (size_t l = 0; l < weights_->layers.size(); ++l) {
    const LayerWeights& layer = weights_->layers[l];
    const std::string prefix = "layers." + std::to_string(l) + ".";
    const auto check = [&](const std::string& name, const WeightPtr& weight) {
      expect_sums(record, *weight, inputs.at(prefix + name), prefix + name);
    };
    check("wq", layer.wq);
    check("wk", layer.wk);
    check("wv", layer.wv);
    check("wo", layer.wo);
    for (size_t e = 0; e < layer.experts.size(); ++e) {
      const std::string expert = "experts." + std::to_string(e) + ".";
      check(expert + "w1", layer.experts[e].w1);
      check(expert + "w3", layer.experts[e].w3);
      check(expert + "w2", layer.experts[e].w2);
    }
    if (layer.router) {
      EXPECT_EQ(record.sums.count(layer.router.get()), 0u) << "routers stay f32";
    }
  }
  expect_sums(record, *weights_->output, inputs.at("output"), "output");
}

INSTANTIATE_TEST_SUITE_P(Shapes, CalibratingBackendTest,
                         ::testing::Values(mixture(5, 3), mixture(16, 1), mixture(0, 0)),
                         [](const ::testing::TestParamInfo<ModelConfig>& shape) {
                           return shape.param.experts == 0
                                      ? std::string("Dense")
                                      : "Experts" + std::to_string(shape.param.experts);
                         });

}  // namespace
}  // namespace octavo::test
