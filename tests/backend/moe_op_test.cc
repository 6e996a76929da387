// Op conformance: the mixture of experts and the dense FFN, for every backend.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "support/backend_fixture.h"
#include "support/compare.h"
#include "support/expert_bound.h"
#include "support/random.h"
#include "support/reference_ops.h"

namespace octavo::test {
namespace {

struct Shape {
  int64_t experts, top_k, dim, ffn;
};

double deviation(int64_t cols) { return 1 / std::sqrt(static_cast<double>(cols)); }

// Typical errors, relative to the output. Each int8 product adds noise of at most about 1 % (a step
// is 1/127 of a block's largest value), and three lie on a path.
double typical_error(Format format) {
  if (traits(format).activation == ActivationFormat::kQ8) return 0.03;
  return format == Format::kBF16 ? 1e-5 : 2e-6;
}

class MoeOp : public BackendTest {
 protected:
  TestWeight random_weight(Format format, int64_t rows, int64_t cols, Random& random) {
    return load(random_blocks(storable_format(format, cols), rows, cols, random, deviation(cols)));
  }
  TestExpert random_expert(Format format, const Shape& shape, Random& random) {
    return {random_weight(format, shape.ffn, shape.dim, random),
            random_weight(format, shape.ffn, shape.dim, random),
            random_weight(format, shape.dim, shape.ffn, random)};
  }
  std::vector<TestExpert> random_experts(Format format, const Shape& shape, Random& random) {
    std::vector<TestExpert> experts;
    for (int64_t e = 0; e < shape.experts; ++e)
      experts.push_back(random_expert(format, shape, random));
    return experts;
  }

  struct Result {
    Matrix out;
    Routing routing;
  };
  static Result run(Backend& backend, const std::vector<float>& x, int64_t rows,
                    const TestWeight& router, const std::vector<TestExpert>& experts,
                    int64_t top_k) {
    std::vector<Expert> list;
    for (const TestExpert& expert : experts) list.push_back(expert.expert());
    const int64_t dim = router.values.cols();
    const ActivationPtr input = upload(backend, x, dim), out = backend.activation(kMostRows, dim);
    Result result;
    backend.moe_ffn(*input, rows, *router.weight, list, top_k, *out, &result.routing);
    result.out = download_matrix(backend, *out, rows);
    // Asking for the routing must change nothing.
    const ActivationPtr again = backend.activation(kMostRows, dim);
    backend.moe_ffn(*input, rows, *router.weight, list, top_k, *again, nullptr);
    EXPECT_EQ(download(backend, *again, rows), download(backend, *out, rows));
    return result;
  }

  // Logits within rounding; the chosen experts are the best of these logits, ties to the lower
  // index.
  static void check_routing(const Routing& routing, const Matrix& x, const TestWeight& router,
                            int64_t top_k, const std::string& what) {
    const int64_t rows = x.rows(), experts = router.values.rows();
    ASSERT_EQ(routing.rows, rows) << what;
    ASSERT_EQ(routing.logits.size(), static_cast<size_t>(rows * experts)) << what;
    ASSERT_EQ(routing.experts.size(), static_cast<size_t>(rows * top_k)) << what;
    ASSERT_EQ(routing.weights.size(), static_cast<size_t>(rows * top_k)) << what;
    const Matrix logits = to_matrix(routing.logits, rows, experts);
    ASSERT_TRUE(within(logits, x * router.values.transpose(), matmul_bound(x, router.magnitudes)))
        << what;
    for (int64_t r = 0; r < rows; ++r) {
      const std::span<const double> row(logits.row(r).data(), static_cast<size_t>(experts));
      const ReferenceRoute route = reference_route(row, top_k);
      for (int64_t i = 0; i < top_k; ++i) {
        const auto at = static_cast<size_t>(r * top_k + i);
        ASSERT_EQ(routing.experts[at], route.experts[static_cast<size_t>(i)])
            << what << ", row " << r;
        ASSERT_NEAR(routing.weights[at], route.weights[static_cast<size_t>(i)], 1e-6)
            << what << ", row " << r;
      }
    }
  }

  static void check(const Result& result, const Matrix& x, const TestWeight& router,
                    const std::vector<TestExpert>& experts, int64_t top_k,
                    const std::string& what) {
    check_routing(result.routing, x, router, top_k, what);
    if (HasFatalFailure()) return;
    Matrix expected = Matrix::Zero(x.rows(), x.cols()), bound = expected;
    const auto uses = [&](int32_t e) {
      return std::count(result.routing.experts.begin(), result.routing.experts.end(), e);
    };
    for (int64_t r = 0; r < x.rows(); ++r) {
      for (int64_t i = 0; i < top_k; ++i) {
        const auto at = static_cast<size_t>(r * top_k + i);
        const TestExpert& expert = experts[static_cast<size_t>(result.routing.experts[at])];
        const double weight = result.routing.weights[at];
        const Matrix one = reference_expert(x.row(r), expert.reference());
        expected.row(r) += weight * one;
        const bool wide = uses(result.routing.experts[at]) >= kWideLeastRows;
        bound.row(r) += weight * (expert_bound(x.row(r), expert, wide) + one.cwiseAbs() * 1e-6);
      }
    }
    EXPECT_TRUE(within(result.out, expected, bound)) << what;
    EXPECT_LT(relative_rms(result.out, expected), typical_error(experts.front().w1.format)) << what;
  }
};
OCTAVO_FOR_ALL_BACKENDS(MoeOp);

std::string describe(const Shape& shape, Format format, int64_t rows) {
  return std::string(format_name(format)) + ", top " + std::to_string(shape.top_k) + " of " +
         std::to_string(shape.experts) + ", dim " + std::to_string(shape.dim) + ", ffn " +
         std::to_string(shape.ffn) + ", rows " + std::to_string(rows);
}

TEST_P(MoeOp, EveryShapeAndFormat) {
  const auto backend = make_backend();
  Random random(1);
  for (const Shape& shape : {Shape{8, 2, 64, 128}, Shape{5, 3, 64, 172}, Shape{64, 1, 48, 32},
                             Shape{1, 1, 40, 64}, Shape{4, 4, 256, 256}, Shape{16, 16, 32, 16},
                             Shape{17, 5, 37, 50}, Shape{3, 1, 512, 256}}) {
    const bool slow = is_emulated() && shape.experts > 8 && shape.top_k > 1;
    for (const Format format : all_formats()) {
      const TestWeight router = random_weight(Format::kF32, shape.experts, shape.dim, random);
      const std::vector<TestExpert> experts = random_experts(format, shape, random);
      for (const int64_t rows : {int64_t{1}, 2 + random.below(8), int64_t{40}}) {
        const std::vector<float> x = random.normals(rows * shape.dim);
        if (slow) continue;  // behind the draws: all devices get the same numbers
        check(run(*backend, x, rows, router, experts, shape.top_k), to_matrix(x, rows, shape.dim),
              router, experts, shape.top_k, describe(shape, format, rows));
      }
    }
  }
}

TEST_P(MoeOp, EveryRowCount) {
  const auto backend = make_backend();
  Random random(2);
  const Shape shape{8, 2, 64, 96};
  for (const Format format : {Format::kF32, Format::kBF16, Format::kQ4_0}) {
    const TestWeight router = random_weight(Format::kF32, shape.experts, shape.dim, random);
    const std::vector<TestExpert> experts = random_experts(format, shape, random);
    for (int64_t rows = 1; rows <= 40; rows += is_emulated() && rows > 17 ? 5 : 1) {
      const std::vector<float> x = random.normals(rows * shape.dim);
      check(run(*backend, x, rows, router, experts, shape.top_k), to_matrix(x, rows, shape.dim),
            router, experts, shape.top_k, describe(shape, format, rows));
    }
  }
}

// All rows to one expert: the groups are as uneven as can be.
TEST_P(MoeOp, OneExpertMayTakeAllRows) {
  const auto backend = make_backend();
  Random random(3);
  const Shape shape{8, 1, 32, 64};
  std::vector<float> values(static_cast<size_t>(shape.experts * shape.dim), 0.0f);
  for (int64_t k = 0; k < shape.dim; ++k) values[static_cast<size_t>(5 * shape.dim + k)] = 1;
  const TestWeight router = load(pack_values(Format::kF32, shape.experts, shape.dim, values));
  const std::vector<TestExpert> experts = random_experts(Format::kF32, shape, random);
  std::vector<float> x = random.normals(40 * shape.dim);
  for (float& value : x) value = std::abs(value);
  const Result result = run(*backend, x, 40, router, experts, 1);
  EXPECT_EQ(result.routing.experts, std::vector<int32_t>(40, 5));
  check(result, to_matrix(x, 40, shape.dim), router, experts, 1, "all rows to expert 5");
}

TEST_P(MoeOp, TiesGoToTheLowerIndex) {
  const auto backend = make_backend();
  Random random(4);
  for (const Shape& shape : {Shape{8, 2, 32, 32}, Shape{40, 3, 32, 32}, Shape{5, 5, 32, 32}}) {
    // Every expert has the same router row: all logits tie, in one panel of the router or in
    // several.
    const std::vector<float> row = random.normals(shape.dim);
    std::vector<float> values;
    for (int64_t e = 0; e < shape.experts; ++e) values.insert(values.end(), row.begin(), row.end());
    const TestWeight router = load(pack_values(Format::kF32, shape.experts, shape.dim, values));
    const std::vector<TestExpert> experts = random_experts(Format::kF32, shape, random);
    const std::vector<float> x = random.normals(9 * shape.dim);
    const Result result = run(*backend, x, 9, router, experts, shape.top_k);
    for (int64_t r = 0; r < 9; ++r) {
      for (int64_t i = 0; i < shape.top_k; ++i) {
        const auto at = static_cast<size_t>(r * shape.top_k + i);
        EXPECT_EQ(result.routing.experts[at], i);
        EXPECT_NEAR(result.routing.weights[at], 1.0 / static_cast<double>(shape.top_k), 1e-7);
      }
    }
    check(result, to_matrix(x, 9, shape.dim), router, experts, shape.top_k, "ties");
  }
}

TEST_P(MoeOp, ZeroRowsStayZero) {
  const auto backend = make_backend();
  Random random(5);
  const Shape shape{8, 2, 256, 64};
  for (const Format format : all_formats()) {
    const TestWeight router = random_weight(Format::kF32, shape.experts, shape.dim, random);
    const std::vector<TestExpert> experts = random_experts(format, shape, random);
    const std::vector<float> x(static_cast<size_t>(3 * shape.dim), 0.0f);
    const Result result = run(*backend, x, 3, router, experts, 2);
    EXPECT_EQ(result.routing.experts, (std::vector<int32_t>{0, 1, 0, 1, 0, 1}));
    EXPECT_EQ(result.out.cwiseAbs().maxCoeff(), 0) << format_name(format);
  }
}

// Logits far apart and huge: the softmax over the chosen must not overflow.
TEST_P(MoeOp, LargeRouterLogits) {
  const auto backend = make_backend();
  Random random(6);
  const Shape shape{8, 3, 32, 32};
  const TestWeight router = load(pack_values(Format::kF32, shape.experts, shape.dim,
                                             random.normals(shape.experts * shape.dim, 1000)));
  const std::vector<TestExpert> experts = random_experts(Format::kF32, shape, random);
  const std::vector<float> x = random.normals(10 * shape.dim);
  check(run(*backend, x, 10, router, experts, 3), to_matrix(x, 10, shape.dim), router, experts, 3,
        "large logits");
}

// Experts that nobody chose hold NaN: one touch would show.
TEST_P(MoeOp, OnlyChosenExpertsAreComputed) {
  const auto backend = make_backend();
  Random random(7);
  const Shape shape{8, 2, 32, 32};
  std::vector<float> values(static_cast<size_t>(shape.experts * shape.dim), 0.0f);
  for (const int64_t e : {2, 6}) {
    for (int64_t k = 0; k < shape.dim; ++k) {
      values[static_cast<size_t>(e * shape.dim + k)] = e == 2 ? 1.0f : 0.5f;
    }
  }
  const TestWeight router = load(pack_values(Format::kF32, shape.experts, shape.dim, values));
  const std::vector<float> poison(static_cast<size_t>(shape.ffn * shape.dim),
                                  std::numeric_limits<float>::quiet_NaN());
  std::vector<TestExpert> experts;
  for (int64_t e = 0; e < shape.experts; ++e) {
    if (e == 2 || e == 6) {
      experts.push_back(random_expert(Format::kF32, shape, random));
    } else {
      const TestWeight nan = load(pack_values(Format::kF32, shape.ffn, shape.dim, poison));
      experts.push_back({nan, nan, nan});  // ffn equals dim
    }
  }
  for (const int64_t rows : {1, 20}) {
    std::vector<float> x = random.normals(rows * shape.dim);
    for (float& value : x) value = std::abs(value);
    check(run(*backend, x, rows, router, experts, 2), to_matrix(x, rows, shape.dim), router,
          experts, 2, "poisoned experts");
  }
}

TEST_P(MoeOp, DenseFfn) {
  const auto backend = make_backend();
  Random random(8);
  for (const Format format : all_formats()) {
    for (const Shape& shape : {Shape{1, 1, 64, 172}, Shape{1, 1, 256, 256}, Shape{1, 1, 37, 20}}) {
      const TestExpert expert = random_expert(format, shape, random);
      for (const int64_t rows : {1, 3, 8, 40}) {
        const std::vector<float> values = random.normals(rows * shape.dim);
        const Matrix x = to_matrix(values, rows, shape.dim);
        const ActivationPtr input = upload(*backend, values, shape.dim);
        const ActivationPtr out = backend->activation(kMostRows, shape.dim);
        backend->ffn(*input, rows, expert.expert(), *out);
        const Matrix actual = download_matrix(*backend, *out, rows);
        const Matrix expected = reference_expert(x, expert.reference());
        EXPECT_TRUE(within(actual, expected, expert_bound(x, expert, rows >= kWideLeastRows)))
            << describe(shape, format, rows);
        EXPECT_LT(relative_rms(actual, expected), typical_error(expert.w1.format))
            << describe(shape, format, rows);
      }
    }
  }
}

}  // namespace
}  // namespace octavo::test
