// Routing, emulated, against plain references.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "backend/cuda/kernels/router.h"
#include "cuda/product_problem.h"
#include "support/reference_ops.h"

namespace octavo::test {
namespace {

struct Routed {
  std::vector<float> logits;
  std::vector<int32_t> experts;
  std::vector<float> weights;
};

class CudaRouter : public CudaKernelTest {
 protected:
  Routed route(const std::vector<float>& x, int64_t rows, int64_t stride,
               const DeviceWeight& router, int64_t top_k) {
    const int64_t experts = router.host.rows();
    const DeviceValues<float> device_x(x), logits = guarded(rows, experts),
                                           weights = guarded(rows, top_k);
    const DeviceValues<int32_t> chosen(std::vector<int32_t>(static_cast<size_t>(rows * top_k), -1));
    cuda::route(device_x.data(), stride, rows, router.bytes.matrix(), top_k, logits.data(),
                chosen.data(), weights.data(), stream());
    return {logits.read(stream()), chosen.read(stream()), weights.read(stream())};
  }
  static void expect_best(const Routed& routed, int64_t rows, int64_t experts, int64_t top_k) {
    const Matrix logits = to_matrix(routed.logits, rows, experts);
    for (int64_t r = 0; r < rows; ++r) {
      const std::span<const double> row(logits.row(r).data(), static_cast<size_t>(experts));
      const ReferenceRoute expected = reference_route(row, top_k);
      for (int64_t i = 0; i < top_k; ++i) {
        const auto at = static_cast<size_t>(r * top_k + i);
        ASSERT_EQ(routed.experts[at], expected.experts[static_cast<size_t>(i)]);
        ASSERT_NEAR(routed.weights[at], expected.weights[static_cast<size_t>(i)], 1e-6);
      }
    }
  }
};
OCTAVO_IN_EVERY_ORDER(CudaRouter);

TEST_P(CudaRouter, TakesTheBestOfEveryShape) {
  Random random(1);
  for (const auto& [experts, top_k, cols] :
       {std::tuple{8, 2, 512}, {4, 4, 37}, {1, 1, 16}, {17, 5, 100}, {64, 16, 48}, {70, 70, 20}}) {
    const DeviceWeight router = random_weight(Format::kF32, experts, cols, random);
    for (const int64_t rows : {1, 4, 13}) {
      const std::vector<float> x = random.normals(rows * (cols + 3));
      const Routed routed = route(x, rows, cols + 3, router, top_k);
      const Matrix input = to_matrix(x, rows, cols + 3).leftCols(cols);
      EXPECT_TRUE(within(to_matrix(routed.logits, rows, experts), input * router.values.transpose(),
                         matmul_bound(input, router.magnitudes)));
      expect_best(routed, rows, experts, top_k);
    }
  }
}

TEST_P(CudaRouter, TiesGoToTheLowerIndexAndHugeLogitsStayFinite) {
  Random random(2);
  for (const int64_t experts : {8, 40}) {
    // Three kinds of experts, each kind with equal logits, in one panel or in several.
    const std::vector<float> kinds = random.normals(3 * 100, 1000);
    std::vector<float> values;
    for (int64_t e = 0; e < experts; ++e) {
      const auto first = kinds.begin() + e % 3 * 100;
      values.insert(values.end(), first, first + 100);
    }
    const DeviceWeight router(pack_values(Format::kF32, experts, 100, values));
    const std::vector<float> x = random.normals(6 * 100);
    const Routed routed = route(x, 6, 100, router, 7);
    expect_best(routed, 6, experts, 7);
    for (int64_t at = 0; at < 6 * experts; ++at) {
      const int64_t same = at - at % experts + at % experts % 3;
      ASSERT_EQ(routed.logits[static_cast<size_t>(at)], routed.logits[static_cast<size_t>(same)]);
    }
  }
}

TEST_P(CudaRouter, NotANumberStillNamesExperts) {
  Random random(3);
  const DeviceWeight router = random_weight(Format::kF32, 8, 32, random);
  std::vector<float> x(32, std::numeric_limits<float>::quiet_NaN());
  std::vector<int32_t> experts = route(x, 1, 32, router, 3).experts;
  std::sort(experts.begin(), experts.end());
  EXPECT_EQ(std::unique(experts.begin(), experts.end()), experts.end());
  EXPECT_GE(experts.front(), 0);
  EXPECT_LT(experts.back(), 8);
}

TEST_P(CudaRouter, SortsUsesByExpertInOrder) {
  Random random(4);
  for (const auto& [experts, top_k, rows] :
       {std::tuple{8, 2, 1}, {8, 2, 700}, {1, 1, 20}, {64, 1, 33}, {5, 5, 300}}) {
    for (const bool one : {false, true}) {
      const int64_t uses = rows * top_k;
      std::vector<int32_t> chosen = random.ids(uses, experts);
      if (one) std::fill(chosen.begin(), chosen.end(), experts / 2);
      const DeviceValues<int32_t> device_chosen(chosen),
          offsets(std::vector<int32_t>(static_cast<size_t>(experts + 1), -1)),
          use_of(std::vector<int32_t>(static_cast<size_t>(uses), -1)),
          slot_of(std::vector<int32_t>(static_cast<size_t>(uses), -1));
      cuda::sort_by_expert(device_chosen.data(), rows, experts,
                           {offsets.data(), use_of.data(), slot_of.data(), top_k}, stream());
      std::vector<int32_t> order(static_cast<size_t>(uses));
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
        return chosen[static_cast<size_t>(a)] < chosen[static_cast<size_t>(b)];
      });
      EXPECT_EQ(use_of.read(stream()), order);
      const std::vector<int32_t> slots = slot_of.read(stream()), ends = offsets.read(stream());
      for (int32_t slot = 0; slot < uses; ++slot) {
        ASSERT_EQ(slots[static_cast<size_t>(order[static_cast<size_t>(slot)])], slot);
      }
      for (int32_t e = 0; e <= experts; ++e) {
        EXPECT_EQ(ends[static_cast<size_t>(e)],
                  std::count_if(chosen.begin(), chosen.end(), [&](int32_t c) { return c < e; }));
      }
    }
  }
}

}  // namespace
}  // namespace octavo::test
