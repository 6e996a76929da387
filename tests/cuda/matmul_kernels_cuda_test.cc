// Products of few and of many rows, emulated, against plain sums in double precision over the very
// activations that the kernels meet: what is left is the rounding of sums and of weights.
#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <string>
#include <vector>

#include "cuda/product_problem.h"

namespace octavo::test {
namespace {

constexpr int64_t kGap = 5;

class CudaMatmul : public CudaKernelTest {
 protected:
  /// One launch of products of all `weights` with the same rows.
  void check_few(const std::deque<DeviceWeight>& weights, int64_t rows, Random& random) {
    const DeviceRows x(rows, weights[0].host.cols(), random, stream());
    const TestPartials partials(cuda::few_partial_sums(), cuda::few_partial_counters());
    std::deque<DeviceValues<float>> outs;
    const std::vector<cuda::Product> products = outputs(weights, rows, outs);
    cuda::multiply_few(products, x.few(), rows, partials.get(), stream());
    EXPECT_TRUE(partials.all_zero(stream()));
    for (size_t i = 0; i < weights.size(); ++i) {
      const Matrix input = x.for_few(weights[i].format());
      check(weights[i], input, rows, outs[i], matmul_bound(input, weights[i].magnitudes));
    }
  }
  void check_tiles(const std::deque<DeviceWeight>& weights, int64_t rows, Random& random) {
    const DeviceRows x(rows, weights[0].host.cols(), random, stream());
    std::deque<DeviceValues<float>> outs;
    const std::vector<cuda::Product> products = outputs(weights, rows, outs);
    cuda::multiply_tiles(products, x.tiles(), rows, stream());
    for (size_t i = 0; i < weights.size(); ++i) {
      const Format format = weights[i].format();
      const Matrix input = x.for_tiles(format);
      check(weights[i], input, rows, outs[i], tile_bound(input, format, weights[i].magnitudes));
    }
  }

 private:
  static std::vector<cuda::Product> outputs(const std::deque<DeviceWeight>& weights, int64_t rows,
                                            std::deque<DeviceValues<float>>& outs) {
    std::vector<cuda::Product> products;
    for (const DeviceWeight& w : weights) {
      const int64_t stride = w.host.rows() + kGap;
      outs.push_back(guarded(rows, stride));
      products.push_back({w.bytes.matrix(), outs.back().data(), stride});
    }
    return products;
  }
  void check(const DeviceWeight& w, const Matrix& input, int64_t rows,
             const DeviceValues<float>& out, const Matrix& bound) {
    const int64_t outputs = w.host.rows();
    const Matrix actual = take_guarded(out, rows, outputs, outputs + kGap, stream());
    const Matrix expected = input * w.values.transpose();
    const std::string what = std::string(format_name(w.format())) + " [" + std::to_string(outputs) +
                             ", " + std::to_string(w.host.cols()) + "], rows " +
                             std::to_string(rows);
    EXPECT_TRUE(within(actual, expected, bound)) << what;
    if (actual.size() < 300) return;
    // Roundings are independent: their sum grows as the root of their number.
    const double terms = (input.cwiseAbs2() * w.magnitudes.cwiseAbs2().transpose()).mean();
    EXPECT_LT((actual - expected).norm() / std::sqrt(static_cast<double>(actual.size())),
              std::sqrt(terms) * kBf16Rounding)
        << what;
  }
};
OCTAVO_IN_EVERY_ORDER(CudaMatmul);

TEST_P(CudaMatmul, FewRowsOfEveryShape) {
  Random random(1);
  for (const Format format : all_formats()) {
    for (const int64_t cols : {1, 16, 40, 172, 256, 768}) {
      if (storable_format(format, cols) != format) continue;
      for (const int64_t outputs : {1, 8, 33}) {
        std::deque<DeviceWeight> weights;
        weights.push_back(random_weight(format, outputs, cols, random));
        check_few(weights, 1, random);
        check_few(weights, 2 + random.below(7), random);
      }
    }
  }
}

TEST_P(CudaMatmul, FewRowsOfEveryCount) {
  Random random(2);
  for (const Format format : all_formats()) {
    std::deque<DeviceWeight> weights;
    weights.push_back(random_weight(format, 40, 256, random));
    for (int64_t rows = 1; rows <= cuda::kFewRows; ++rows) check_few(weights, rows, random);
  }
}

TEST_P(CudaMatmul, FewRowsThroughSeveralMatrices) {
  Random random(3);
  for (const int64_t rows : {1, 5}) {
    std::deque<DeviceWeight> weights;
    for (const Format format : {Format::kQ4_K, Format::kF32, Format::kQ8_0}) {
      weights.push_back(random_weight(format, 1 + random.below(60), 512, random));
    }
    check_few(weights, rows, random);
  }
}

// So wide that several blocks share a panel.
TEST_P(CudaMatmul, FewRowsSplitOverTheColumns) {
  Random random(4);
  for (const Format format : {Format::kQ4_0, Format::kQ6_K, Format::kBF16}) {
    std::deque<DeviceWeight> weights;
    weights.push_back(random_weight(format, 20, 3 * 4096 + 256, random));
    weights.push_back(random_weight(format, 3, 3 * 4096 + 256, random));
    check_few(weights, 1, random);
    check_few(weights, 3, random);
  }
}

TEST_P(CudaMatmul, TilesOfEveryShape) {
  Random random(5);
  for (const Format format : all_formats()) {
    for (const int64_t cols : {1, 16, 172, 512}) {
      if (storable_format(format, cols) != format) continue;
      for (const int64_t outputs : {33, 150}) {
        std::deque<DeviceWeight> weights;
        weights.push_back(random_weight(format, outputs, cols, random));
        check_tiles(weights, 1 + random.below(150), random);
      }
    }
  }
}

TEST_P(CudaMatmul, TilesThroughSeveralMatrices) {
  Random random(6);
  for (const auto& formats : {std::vector{Format::kQ4_K, Format::kQ6_K, Format::kQ4_K},
                              std::vector{Format::kF32, Format::kQ4_0, Format::kF16},
                              std::vector{Format::kBF16, Format::kBF16, Format::kBF16}}) {
    std::deque<DeviceWeight> weights;
    for (const Format format : formats) {
      weights.push_back(random_weight(format, 100 + random.below(60), 256, random));
    }
    check_tiles(weights, 130, random);
  }
}

TEST_P(CudaMatmul, Bf16RowsKeepSixteenDigits) {
  Random random(7);
  for (const int64_t cols : {1, 15, 64, 172}) {
    const DeviceRows x(3, cols, random, stream());
    const Matrix high = x.for_tiles(Format::kQ4_0), both = x.for_tiles(Format::kBF16);
    const Matrix size = x.exact().cwiseAbs();
    EXPECT_TRUE(within(high, x.exact(), size * kBf16Rounding + Matrix::Constant(3, cols, 1e-38)));
    EXPECT_TRUE(within(both, x.exact(), size * 0x1p-16 + Matrix::Constant(3, cols, 1e-38)));
  }
}

}  // namespace
}  // namespace octavo::test
