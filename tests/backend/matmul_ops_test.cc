// Op conformance: embed, rmsnorm, matmul, add, read and write, for every backend.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "octavo/error.hpp"
#include "support/backend_fixture.h"
#include "support/compare.h"
#include "support/random.h"
#include "support/reference_ops.h"

namespace octavo::test {
namespace {

class MatmulOps : public BackendTest {};
OCTAVO_FOR_ALL_BACKENDS(MatmulOps);

constexpr float kGuard = -12345.5f;

// An activation full of kGuard.
ActivationPtr guarded(Backend& backend, int64_t cols) {
  return upload(backend, std::vector<float>(static_cast<size_t>(kMostRows * cols), kGuard), cols);
}

void expect_guards(Backend& backend, const Activation& x, int64_t first) {
  const std::vector<float> values = download(backend, x, kMostRows);
  const auto wrong = std::find_if(values.begin() + first * x.cols(), values.end(),
                                  [](float value) { return value != kGuard; });
  EXPECT_EQ(wrong, values.end()) << "row " << (wrong - values.begin()) / x.cols() << " was written";
}

TEST_P(MatmulOps, ReadGivesWhatWasWritten) {
  const auto backend = make_backend();
  Random random(1);
  for (const int64_t cols : {1, 37, 256}) {
    const std::vector<float> values = random.normals(40 * cols);
    const ActivationPtr x = upload(*backend, values, cols);
    EXPECT_EQ(x->cols(), cols);
    EXPECT_EQ(x->capacity(), kMostRows);
    EXPECT_EQ(download(*backend, *x, 40), values);
    std::vector<float> middle(static_cast<size_t>(3 * cols));
    backend->read(*x, 7, 3, middle);
    EXPECT_TRUE(std::equal(middle.begin(), middle.end(), values.begin() + 7 * cols));
  }
}

TEST_P(MatmulOps, EmbedTakesRowsOfTheTable) {
  const auto backend = make_backend();
  Random random(2);
  for (const Format format : all_formats()) {
    const int64_t cols = is_super(format) ? 512 : 172, vocab = 99;
    const TestWeight table = load(random_blocks(format, vocab, cols, random));
    for (const int64_t rows : {1, 2, 17, 40}) {
      std::vector<int32_t> ids = random.ids(rows, vocab);
      ids.front() = static_cast<int32_t>(vocab - 1);
      const ActivationPtr out = guarded(*backend, cols);
      backend->embed(*table.weight, ids, *out);
      Matrix expected(rows, cols), bound(rows, cols);
      for (int64_t r = 0; r < rows; ++r) {
        expected.row(r) = table.values.row(ids[static_cast<size_t>(r)]);
        bound.row(r) = table.magnitudes.row(ids[static_cast<size_t>(r)]) * 0x1p-23;
      }
      EXPECT_TRUE(within(download_matrix(*backend, *out, rows), expected, bound))
          << format_name(format);
      expect_guards(*backend, *out, rows);
    }
  }
}

TEST_P(MatmulOps, RmsNorm) {
  const auto backend = make_backend();
  Random random(3);
  for (const int64_t cols : {1, 16, 64, 100, 172, 1024}) {
    const TestWeight gain = load_vector(random.normals(cols));
    for (const int64_t rows : {1, 5, 40}) {
      std::vector<float> values = random.normals(rows * cols);
      std::fill_n(values.begin(), cols, 0.0f);  // eps alone keeps a row of zeros finite
      const ActivationPtr x = upload(*backend, values, cols);
      const ActivationPtr out = guarded(*backend, cols);
      backend->rmsnorm(*x, rows, *gain.weight, 1e-5f, *out);
      const Matrix expected = reference_rmsnorm(to_matrix(values, rows, cols), gain.values, 1e-5f);
      const Matrix bound = (expected.cwiseAbs().array() * sum_error(cols) + 1e-36).matrix();
      EXPECT_TRUE(within(download_matrix(*backend, *out, rows), expected, bound)) << cols;
      expect_guards(*backend, *out, rows);

      backend->rmsnorm(*x, rows, *gain.weight, 1e-5f, *x);
      EXPECT_EQ(download(*backend, *x, rows), download(*backend, *out, rows)) << "in place";
    }
  }
}

TEST_P(MatmulOps, AddAddsTheRowsAskedFor) {
  const auto backend = make_backend();
  Random random(4);
  for (const int64_t cols : {1, 33, 256}) {
    const std::vector<float> a = random.normals(kMostRows * cols),
                             b = random.normals(kMostRows * cols);
    for (const int64_t rows : {1, 7, 40}) {
      const ActivationPtr x = upload(*backend, a, cols), y = upload(*backend, b, cols);
      backend->add(*y, rows, *x);
      const std::vector<float> sum = download(*backend, *x, kMostRows);
      for (int64_t i = 0; i < kMostRows * cols; ++i) {
        const auto at = static_cast<size_t>(i);
        ASSERT_EQ(sum[at], i < rows * cols ? a[at] + b[at] : a[at]) << i << " of " << cols;
      }
    }
  }
}

// One product with rows [first, first + rows) of an input.
void check_product(Backend& backend, const TestWeight& w, int64_t first, int64_t rows,
                   Random& random) {
  const int64_t cols = w.values.cols();
  const std::vector<float> values = random.normals((first + rows) * cols);
  const ActivationPtr x = upload(backend, values, cols);
  const ActivationPtr out = guarded(backend, w.values.rows());
  const Projection projection{w.weight.get(), out.get()};
  backend.matmul(*x, first, rows, std::span(&projection, 1));
  const Matrix input = to_matrix(values, first + rows, cols).bottomRows(rows);
  const Matrix expected = input * w.values.transpose();
  const Matrix actual = download_matrix(backend, *out, rows);
  const std::string what = std::string(format_name(w.format)) + " [" +
                           std::to_string(w.values.rows()) + ", " + std::to_string(cols) +
                           "], rows " + std::to_string(first) + " + " + std::to_string(rows);
  const bool wide = may_be_packed(w.format, rows);
  EXPECT_TRUE(within(actual, expected, product_bound(input, w, wide))) << what;
  if (traits(w.format).activation == ActivationFormat::kQ8 && actual.size() >= 300) {
    const double error = std::sqrt((actual - expected).cwiseAbs2().mean());
    // Weights that share a min meet the sum of 32 errors, so their noise differs more from row to
    // row.
    const bool has_mins = w.format == Format::kQ4_K || w.format == Format::kQ5_K;
    EXPECT_LT(error, (has_mins ? 1.6 : 1.3) * product_noise(input, w, wide)) << what;
  }
  expect_guards(backend, *out, rows);
}

TEST_P(MatmulOps, MatmulOfEveryShape) {
  const auto backend = make_backend();
  Random random(5);
  for (const Format format : all_formats()) {
    for (const int64_t cols : {1, 16, 40, 64, 172, 256, 768}) {
      if (storable_format(format, cols) != format) continue;
      for (const int64_t outputs : {1, 8, 16, 33, 172}) {
        const TestWeight w = load(random_blocks(format, outputs, cols, random));
        check_product(*backend, w, 0, 1, random);
        check_product(*backend, w, random.below(5), 1 + random.below(40), random);
      }
    }
  }
}

TEST_P(MatmulOps, MatmulOfEveryRowCount) {
  const auto backend = make_backend();
  Random random(6);
  for (const Format format : all_formats()) {
    const int64_t cols = is_super(format) ? 256 : 172;
    const TestWeight w = load(random_blocks(format, 70, cols, random));
    for (int64_t rows = 1; rows <= 40; ++rows) check_product(*backend, w, rows % 3, rows, random);
  }
}

TEST_P(MatmulOps, MatmulRunsSeveralProjections) {
  const auto backend = make_backend();
  Random random(7);
  const int64_t cols = 256;
  // Formats may differ from tensor to tensor: q4_k falls back for some.
  const std::vector<Format> formats = {Format::kQ4_K, Format::kF32, Format::kQ8_0, Format::kQ4_K};
  const std::vector<float> values = random.normals(20 * cols);
  const ActivationPtr x = upload(*backend, values, cols);
  for (const int64_t rows : {1, 20}) {
    std::vector<TestWeight> weights;
    std::vector<ActivationPtr> outs;
    std::vector<Projection> projections;
    for (const Format format : formats) {
      weights.push_back(load(random_blocks(format, 16 + 13 * random.below(4), cols, random)));
      outs.push_back(guarded(*backend, weights.back().values.rows()));
      projections.push_back({weights.back().weight.get(), outs.back().get()});
    }
    backend->matmul(*x, 0, rows, projections);
    const Matrix input = to_matrix(values, 20, cols).topRows(rows);
    for (size_t i = 0; i < weights.size(); ++i) {
      const TestWeight& w = weights[i];
      EXPECT_TRUE(within(download_matrix(*backend, *outs[i], rows), input * w.values.transpose(),
                         product_bound(input, w, may_be_packed(w.format, rows))))
          << i << ", rows " << rows;
      expect_guards(*backend, *outs[i], rows);
    }
  }
}

TEST_P(MatmulOps, DeviceNamesItself) {
  const std::string name = is_emulated() ? "cuda" : GetParam();
  EXPECT_EQ(device().name(), name);
  EXPECT_EQ(device().description().rfind(name, 0), 0u) << device().description();
}

TEST_P(MatmulOps, WeightsKnowTheirShape) {
  Random random(8);
  const TestWeight w = load(random_blocks(Format::kQ4_0, 50, 172, random));
  EXPECT_EQ(w.weight->rows(), 50);
  EXPECT_EQ(w.weight->cols(), 172);
}

TEST(Backends, UnknownNamesAreRefused) {
  try {
    make_device("abacus");
    FAIL() << "made a device of an unknown name";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("abacus"), std::string::npos) << error.what();
  }
}

TEST(Backends, CpuIsAlwaysThere) {
  const std::vector<std::string> names = backend_names();
  EXPECT_NE(std::find(names.begin(), names.end(), "cpu"), names.end());
  EXPECT_NO_THROW(make_device("cpu"));
}

}  // namespace
}  // namespace octavo::test
