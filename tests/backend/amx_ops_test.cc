// The CPU backend over the emulated tiles of AMX: products of many rows, the mixture, the dense
// FFN, attention.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "support/cached.h"
#include "support/compare.h"
#include "support/expert_bound.h"
#include "support/random.h"
#include "support/reference_ops.h"

namespace octavo::test {
namespace {

constexpr int64_t kRows = 70, kDim = 300, kFfn = 272, kExperts = 3, kContext = 200;
constexpr Format kFormats[] = {Format::kQ4_0, Format::kQ4_K, Format::kQ5_K,
                               Format::kQ6_K, Format::kQ8_0, Format::kBF16};
constexpr int64_t kRowCounts[] = {1, 17, 40, 70};

int bf16_calls = 0;

class AmxOps : public ::testing::Test {
 protected:
  void SetUp() override {
    if (emulated_amx_kernels() == nullptr) GTEST_SKIP() << "this machine has no AVX-512 VNNI";
    table_ = *emulated_amx_kernels();
    // Notes that the kernel was used. One thread: so no count is lost.
    table_.matmul_bf16 = [](Format format, const std::byte* w, int64_t out_rows, int64_t cols,
                            int64_t begin, int64_t end, const Bf16Rows& x, int64_t rows, float* y,
                            int64_t y_stride) {
      ++bf16_calls;
      EXPECT_EQ(x.low != nullptr, format == Format::kBF16);
      emulated_amx_kernels()->matmul_bf16(format, w, out_rows, cols, begin, end, x, rows, y,
                                          y_stride);
    };
    BackendLimits limits;
    limits.rows = kRows;
    limits.cols = 512;
    limits.ffn_dim = 512;
    limits.heads = 8;
    limits.experts = kExperts;
    limits.top_k = 2;
    limits.context = kContext;
    limits.threads = 1;
    backend_ = std::make_unique<CpuBackend>(limits, table_);
  }
  TestWeight load(Format format, int64_t rows, int64_t cols) {
    format = storable_format(format, cols);
    matrices_.push_back(
        random_blocks(format, rows, cols, random_, 1 / std::sqrt(static_cast<double>(cols))));
    const PackedMatrix& kept = matrices_.back();
    return {std::make_shared<CpuWeight>(kept.view()), kept.format(), kept.values(),
            kept.magnitudes(), kept.shift()};
  }
  TestExpert load_expert(Format format, int64_t dim, int64_t ffn) {
    return {load(format, ffn, dim), load(format, ffn, dim), load(format, dim, ffn)};
  }
  ActivationPtr upload(const std::vector<float>& values, int64_t cols) {
    ActivationPtr x = backend_->activation(kRows, cols);
    backend_->write(values, static_cast<int64_t>(values.size()) / cols, *x);
    return x;
  }
  Matrix download(const Activation& x, int64_t rows) {
    std::vector<float> values(static_cast<size_t>(rows * x.cols()));
    backend_->read(x, 0, rows, values);
    return to_matrix(values, rows, x.cols());
  }
  // Keys [rows, kv_heads * head_dim] of normals, zero in the pair that turns fastest.
  std::vector<float> random_keys(int64_t rows, const ReferenceAttention& shape) {
    std::vector<float> keys = random_.normals(rows * shape.kv_heads * shape.head_dim);
    for (size_t i = 0; i < keys.size(); i += static_cast<size_t>(shape.head_dim / 2)) keys[i] = 0;
    return keys;
  }
  static std::vector<float> part(const std::vector<float>& all, int64_t cols, int64_t first,
                                 int64_t rows) {
    return {all.begin() + first * cols, all.begin() + (first + rows) * cols};
  }
  // Whether the kernel of bf16 tiles ran since the last call, and whether it should have.
  static void expect_bf16(Format format, int64_t rows) {
    const bool wanted =
        rows >= 16 && is_bf16(format) && (format != Format::kBF16 || !DenseMatmul::available());
    EXPECT_EQ(bf16_calls > 0, wanted) << format_name(format) << ", rows " << rows;
    bf16_calls = 0;
  }

  Kernels table_ = {};
  Random random_{1};
  std::deque<PackedMatrix> matrices_;
  std::unique_ptr<CpuBackend> backend_;
};

TEST_F(AmxOps, Matmul) {
  for (const Format format : kFormats) {
    const TestWeight w = load(format, 90, is_super(format) ? 512 : kDim);
    const int64_t cols = w.values.cols();
    for (const int64_t rows : kRowCounts) {
      const int64_t first = rows < kRows ? 1 : 0;
      const std::vector<float> values = random_.normals((first + rows) * cols);
      const ActivationPtr x = upload(values, cols), out = backend_->activation(kRows, 90);
      bf16_calls = 0;
      const Projection projection{w.weight.get(), out.get()};
      backend_->matmul(*x, first, rows, std::span(&projection, 1));
      expect_bf16(w.format, rows);
      const Matrix input = to_matrix(values, first + rows, cols).bottomRows(rows);
      EXPECT_TRUE(within(download(*out, rows), input * w.values.transpose(),
                         product_bound(input, w, may_be_packed(w.format, rows))))
          << format_name(w.format) << ", rows " << rows;
    }
  }
}

// Two roundings of a mantissa to 8 bits, each even within +-2^-8 at most: less than int8's noise.
TEST_F(AmxOps, Q8WeightsRoundNoMoreThanBf16Does) {
  const TestWeight w = load(Format::kQ8_0, 90, kDim);
  const std::vector<float> values = random_.normals(kRows * kDim);
  const ActivationPtr x = upload(values, kDim), out = backend_->activation(kRows, 90);
  const Projection projection{w.weight.get(), out.get()};
  backend_->matmul(*x, 0, kRows, std::span(&projection, 1));
  const Matrix input = to_matrix(values, kRows, kDim);
  const Matrix products = input.cwiseAbs() * w.magnitudes.transpose();
  const Matrix bound = products * (0x1p-7 + 0x1p-16 + sum_error(kDim));
  const Matrix actual = download(*out, kRows), expected = input * w.values.transpose();
  EXPECT_TRUE(within(actual, expected, bound));
  const double variance = 2 * 0x1p-16 / 3;  // relative, of a product
  const Matrix noise = input.cwiseAbs2() * w.values.cwiseAbs2().transpose() * variance;
  EXPECT_LT(std::sqrt((actual - expected).cwiseAbs2().mean()), std::sqrt(noise.mean()));
}

TEST_F(AmxOps, ProjectionsOfSeveralFormats) {
  const int64_t cols = 512;
  for (const int64_t rows : kRowCounts) {
    std::vector<TestWeight> weights;
    std::vector<ActivationPtr> outs;
    std::vector<Projection> projections;
    for (const Format format : {Format::kQ8_0, Format::kQ4_K, Format::kBF16}) {
      weights.push_back(load(format, 20 + random_.below(80), cols));
      outs.push_back(backend_->activation(kRows, weights.back().values.rows()));
      projections.push_back({weights.back().weight.get(), outs.back().get()});
    }
    const std::vector<float> values = random_.normals(rows * cols);
    backend_->matmul(*upload(values, cols), 0, rows, projections);
    const Matrix input = to_matrix(values, rows, cols);
    for (size_t i = 0; i < weights.size(); ++i) {
      const TestWeight& w = weights[i];
      EXPECT_TRUE(within(download(*outs[i], rows), input * w.values.transpose(),
                         product_bound(input, w, may_be_packed(w.format, rows))))
          << format_name(w.format) << ", rows " << rows;
    }
  }
}

TEST_F(AmxOps, DenseFfn) {
  for (const Format format : kFormats) {
    // q4_k needs whole groups: with these columns w2 falls back, and the packings differ.
    for (const int64_t dim : {int64_t{256}, kDim}) {
      const TestExpert expert = load_expert(format, dim, kFfn);
      for (const int64_t rows : kRowCounts) {
        const std::vector<float> values = random_.normals(rows * dim);
        const ActivationPtr x = upload(values, dim), out = backend_->activation(kRows, dim);
        bf16_calls = 0;
        backend_->ffn(*x, rows, expert.expert(), *out);
        if (expert.w1.format == expert.w2.format) expect_bf16(expert.w1.format, rows);
        const Matrix input = to_matrix(values, rows, dim);
        EXPECT_TRUE(within(download(*out, rows), reference_expert(input, expert.reference()),
                           expert_bound(input, expert, rows >= kWideLeastRows)))
            << format_name(format) << ", dim " << dim << ", rows " << rows;
      }
    }
  }
}

TEST_F(AmxOps, Mixture) {
  const int64_t dim = 256, top_k = 2;
  const TestWeight router = load(Format::kF32, kExperts, dim);
  for (const Format format : kFormats) {
    std::vector<TestExpert> experts;
    std::vector<Expert> list;
    for (int64_t e = 0; e < kExperts; ++e) {
      // Experts of several formats side by side: some go through other kernels.
      experts.push_back(load_expert(e == 1 ? Format::kF32 : format, dim, kFfn));
      list.push_back(experts.back().expert());
    }
    for (const int64_t rows : kRowCounts) {
      const std::vector<float> values = random_.normals(rows * dim);
      const ActivationPtr x = upload(values, dim), out = backend_->activation(kRows, dim);
      Routing routing;
      backend_->moe_ffn(*x, rows, *router.weight, list, top_k, *out, &routing);
      const Matrix input = to_matrix(values, rows, dim);
      Matrix expected = Matrix::Zero(rows, dim), bound = expected;
      for (int64_t use = 0; use < rows * top_k; ++use) {
        const int32_t e = routing.experts[static_cast<size_t>(use)];
        const double weight = routing.weights[static_cast<size_t>(use)];
        const bool many =
            std::count(routing.experts.begin(), routing.experts.end(), e) >= kWideLeastRows;
        const TestExpert& expert = experts[static_cast<size_t>(e)];
        const Matrix row = input.row(use / top_k), one = reference_expert(row, expert.reference());
        expected.row(use / top_k) += weight * one;
        bound.row(use / top_k) +=
            weight * (expert_bound(row, expert, many) + one.cwiseAbs() * 1e-6);
      }
      EXPECT_TRUE(within(download(*out, rows), expected, bound))
          << format_name(format) << ", rows " << rows;
    }
  }
}

// A prompt in pieces. Rotation is made to change nothing: all frequencies but the first are as good
// as none, and the first pair of a key is zero.
TEST_F(AmxOps, Attention) {
  const ReferenceAttention reference{8, 2, 40, 0};
  const AttentionShape shape = {.heads = reference.heads, .rope_theta = 1e300};
  const int64_t q_cols = reference.heads * reference.head_dim;
  const int64_t cols = reference.kv_heads * reference.head_dim;
  for (const auto& [type, format] :
       {std::pair(KvType::kF32, CacheFormat::kF32), std::pair(KvType::kF16, CacheFormat::kF16),
        std::pair(KvType::kBF16, CacheFormat::kBF16),
        std::pair(KvType::kQ8_0, CacheFormat::kQ8_0)}) {
    const KvCachePtr cache = backend_->kv_cache({.layers = 1,
                                                 .kv_heads = reference.kv_heads,
                                                 .head_dim = reference.head_dim,
                                                 .context = kContext,
                                                 .type = type});
    const Cached keys(format, reference.head_dim, random_keys(kContext, reference));
    const Cached values(format, reference.head_dim, random_.normals(kContext * cols));
    const std::vector<float> q = random_.normals(kContext * q_cols);
    Matrix actual(kContext, q_cols);
    int64_t position = 0;
    for (const int64_t rows : {1, 70, 3, 17, 64, 1, 44}) {
      const ActivationPtr out = backend_->activation(kRows, q_cols);
      const ActivationPtr dq = upload(part(q, q_cols, position, rows), q_cols);
      const ActivationPtr dk = upload(part(keys.values, cols, position, rows), cols);
      const ActivationPtr dv = upload(part(values.values, cols, position, rows), cols);
      backend_->attention(*dq, *dk, *dv, rows, shape, *cache, 0, position, *out);
      actual.middleRows(position, rows) = download(*out, rows);
      position += rows;
    }
    ASSERT_EQ(position, kContext);
    Matrix queries = to_matrix(q, kContext, q_cols);
    reference_rope(queries, reference.head_dim, shape.rope_theta, 0);
    const Matrix all_keys = to_matrix(keys.values, kContext, cols);
    const Matrix all_values = to_matrix(values.values, kContext, cols);
    const Matrix expected = reference_attention(queries, all_keys, all_values, reference, 0);
    for (int64_t h = 0; h < reference.kv_heads; ++h) {
      const auto head = [&](const Matrix& all) {
        const int64_t width = all.cols() / reference.kv_heads;
        return Matrix(all.middleCols(h * width, width));
      };
      Matrix bound = attention_bound(head(queries), head(all_keys), head(all_values),
                                     split_product_error(format));
      if (format == CacheFormat::kQ8_0) {  // few rows
        bound += quantized_attention_bound(head(queries), head(all_keys), head(all_values));
      }
      EXPECT_TRUE(within(head(actual), head(expected), bound)) << static_cast<int>(format);
    }
  }
}

}  // namespace
}  // namespace octavo::test
