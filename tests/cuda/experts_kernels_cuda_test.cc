// The routed experts, emulated: hidden values against plain sums over the activations that the
// kernels meet, outputs against plain sums over the hidden values that the kernels made.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cuda/experts_problem.h"
#include "simd/kernels.h"
#include "support/reference_ops.h"

namespace octavo::test {
namespace {

constexpr int64_t kGap = 3;

/// Hidden values of every use, in the three forms.
struct Hidden {
  Hidden(int64_t uses, int64_t ffn)
      : values(std::vector<float>(static_cast<size_t>(uses * ffn), kGuard)),
        q(std::vector<int8_t>(static_cast<size_t>(uses * cuda::q8_padded(ffn)), 77)),
        scale(std::vector<float>(static_cast<size_t>(uses * cuda::q8_padded(ffn) / 32), kGuard)),
        sum(std::vector<int32_t>(static_cast<size_t>(uses * cuda::q8_padded(ffn) / 32), 77)),
        high(std::vector<uint16_t>(static_cast<size_t>(uses * cuda::bf16_padded(ffn)), 0x7FFF)),
        low(std::vector<uint16_t>(static_cast<size_t>(uses * cuda::bf16_padded(ffn)), 0x7FFF)) {}

  DeviceValues<float> values;
  DeviceValues<int8_t> q;
  DeviceValues<float> scale;
  DeviceValues<int32_t> sum;
  DeviceValues<uint16_t> high, low;
};

class CudaExperts : public CudaKernelTest {
 protected:
  /// `decisions` null: the dense case.
  void check_few(const ExpertsProblem& problem, int64_t rows, const Decisions* decisions,
                 Random& random);
  void check_tiles(const ExpertsProblem& problem, int64_t rows, const Decisions* decisions,
                   Random& random);
  void check_every(const ExpertsProblem& problem, int64_t rows, Random& random) {
    const Decisions decisions(problem.shape(), rows, random);
    if (rows <= cuda::kFewRows) return check_few(problem, rows, &decisions, random);
    check_tiles(problem, rows, &decisions, random);
  }
};
OCTAVO_IN_EVERY_ORDER(CudaExperts);

void CudaExperts::check_few(const ExpertsProblem& problem, int64_t rows, const Decisions* decisions,
                            Random& random) {
  const auto [experts, top_k, dim, ffn] = problem.shape();
  const int64_t uses = rows * top_k, stride = dim + kGap, padded = cuda::q8_padded(ffn);
  const DeviceRows x(rows, dim, random, stream());
  const DeviceValues<int32_t> chosen(decisions ? decisions->experts : std::vector<int32_t>(1));
  const DeviceValues<float> weights(decisions ? decisions->weights : std::vector<float>(1));
  cuda::Routed routed;
  if (decisions != nullptr) routed = {chosen.data(), weights.data(), top_k};
  const Hidden hidden(uses, ffn);
  const cuda::HiddenFew out = {hidden.values.data(),
                               {hidden.q.data(), hidden.scale.data(), hidden.sum.data(), ffn}};
  cuda::hidden_few(problem.device(), x.few(), routed, rows, out, stream());
  const TestPartials partials(cuda::output_few_sums(rows, top_k, dim),
                              cuda::output_few_counters(dim));
  const DeviceValues<float> y = guarded(rows, stride);
  cuda::output_few(problem.device(), out, routed, rows, partials.get(), y.data(), stride, stream());
  EXPECT_TRUE(partials.all_zero(stream()));

  const std::vector<float> floats = hidden.values.read(stream());
  const Matrix values = to_matrix(floats, uses, ffn);
  const std::vector<int8_t> q = hidden.q.read(stream());
  const std::vector<float> scale = hidden.scale.read(stream());
  const std::vector<int32_t> sum = hidden.sum.read(stream());
  const Matrix rounded = q8_values(q, scale, uses, ffn);
  const Matrix actual = take_guarded(y, rows, dim, stride, stream());
  Matrix expected = Matrix::Zero(rows, dim), bound = expected;
  for (int64_t use = 0; use < uses; ++use) {
    const int64_t row = use / top_k;
    const int32_t e = decisions ? decisions->experts[static_cast<size_t>(use)] : 0;
    const DeviceWeight &w1 = problem.w1(e), &w3 = problem.w3(e), &w2 = problem.w2(e);
    const Matrix to_gate = x.for_few(w1.format()).row(row), to_up = x.for_few(w3.format()).row(row);
    const Matrix gate = to_gate * w1.values.transpose(), up = to_up * w3.values.transpose();
    ASSERT_TRUE(within(values.row(use), reference_swiglu(gate, up),
                       hidden_bound(gate, matmul_bound(to_gate, w1.magnitudes), up,
                                    matmul_bound(to_up, w3.magnitudes))))
        << problem.describe(rows) << ", use " << use;

    std::vector<int8_t> twin_q(static_cast<size_t>(q8_padded(ffn)));
    std::vector<float> twin_scale(twin_q.size() / 32);
    std::vector<int32_t> twin_sum(twin_scale.size()), half_sum(2 * twin_scale.size());
    scalar_kernels().quantize_q8(
        floats.data() + use * ffn, ffn, 0,
        {twin_q.data(), twin_scale.data(), twin_sum.data(), half_sum.data(), q8_padded(ffn)});
    ASSERT_TRUE(
        std::equal(q.begin() + use * padded, q.begin() + (use + 1) * padded, twin_q.begin()));
    ASSERT_TRUE(std::equal(scale.begin() + use * padded / 32,
                           scale.begin() + (use + 1) * padded / 32, twin_scale.begin()));
    ASSERT_TRUE(std::equal(sum.begin() + use * padded / 32, sum.begin() + (use + 1) * padded / 32,
                           twin_sum.begin()));

    const bool quantized = traits(w2.format()).activation == ActivationFormat::kQ8;
    const Matrix input = (quantized ? rounded : values).row(use);
    const double weight = decisions ? decisions->weights[static_cast<size_t>(use)] : 1;
    const Matrix one = input * w2.values.transpose();
    expected.row(row) += weight * one;
    bound.row(row) += weight * (matmul_bound(input, w2.magnitudes) + one.cwiseAbs() * 1e-6);
  }
  EXPECT_TRUE(within(actual, expected, bound)) << problem.describe(rows);
}

void CudaExperts::check_tiles(const ExpertsProblem& problem, int64_t rows,
                              const Decisions* decisions, Random& random) {
  const auto [experts, top_k, dim, ffn] = problem.shape();
  const int64_t uses = rows * top_k, stride = dim + kGap;
  const DeviceRows x(rows, dim, random, stream());
  const DeviceValues<int32_t> chosen(decisions ? decisions->experts : std::vector<int32_t>(1));
  const DeviceValues<float> weights(decisions ? decisions->weights : std::vector<float>(1));
  const DeviceValues<int32_t> offsets(std::vector<int32_t>(static_cast<size_t>(experts + 1), -1)),
      use_of(std::vector<int32_t>(static_cast<size_t>(uses), -1)),
      slot_of(std::vector<int32_t>(static_cast<size_t>(uses), -1));
  cuda::Slots slots;
  if (decisions != nullptr) {
    slots = {offsets.data(), use_of.data(), slot_of.data(), top_k};
    cuda::sort_by_expert(chosen.data(), rows, experts, slots, stream());
  }
  const Hidden hidden(uses, ffn);
  const cuda::HiddenTiles out = {hidden.values.data(),
                                 {hidden.high.data(), hidden.low.data(), ffn}};
  cuda::hidden_tiles(problem.device(), x.tiles(), slots, rows, out, stream());
  const DeviceValues<float> down = guarded(uses, stride);
  cuda::output_tiles(problem.device(), out, slots, rows, down.data(), stride, stream());

  const std::vector<float> floats = hidden.values.read(stream());
  const Matrix values = to_matrix(floats, uses, ffn);
  const Matrix high = bf16_values(hidden.high.read(stream()), uses, ffn);
  const Matrix low = bf16_values(hidden.low.read(stream()), uses, ffn);
  const std::vector<int32_t> uses_of_slots = use_of.read(stream());
  const Matrix actual = take_guarded(down, uses, dim, stride, stream());
  Matrix sums = Matrix::Zero(rows, dim);
  for (int64_t slot = 0; slot < uses; ++slot) {
    const int64_t use = decisions ? uses_of_slots[static_cast<size_t>(slot)] : slot;
    const int64_t row = use / top_k;
    const int32_t e = decisions ? decisions->experts[static_cast<size_t>(use)] : 0;
    const DeviceWeight &w1 = problem.w1(e), &w3 = problem.w3(e), &w2 = problem.w2(e);
    const bool exact = w1.format() != w3.format();  // then floats are multiplied
    const auto input = [&](const DeviceWeight& w) -> Matrix {
      return (exact ? x.exact() : x.for_tiles(w.format())).row(row);
    };
    const auto error = [&](const Matrix& in, const DeviceWeight& w) -> Matrix {
      return exact ? matmul_bound(in, w.magnitudes) : tile_bound(in, w.format(), w.magnitudes);
    };
    const Matrix to_gate = input(w1), to_up = input(w3);
    const Matrix gate = to_gate * w1.values.transpose(), up = to_up * w3.values.transpose();
    ASSERT_TRUE(within(values.row(slot), reference_swiglu(gate, up),
                       hidden_bound(gate, error(to_gate, w1), up, error(to_up, w3))))
        << problem.describe(rows) << ", slot " << slot;
    const Matrix size = values.row(slot).cwiseAbs(), tiny = Matrix::Constant(1, ffn, 1e-38);
    ASSERT_TRUE(within(high.row(slot), values.row(slot), size * kBf16Rounding + tiny));
    ASSERT_TRUE(within(high.row(slot) + low.row(slot), values.row(slot), size * 0x1p-16 + tiny));

    const Matrix to_down = !cuda::takes_bf16(w2.format()) ? values.row(slot)
                           : cuda::takes_low(w2.format()) ? high.row(slot) + low.row(slot)
                                                          : Matrix(high.row(slot));
    ASSERT_TRUE(within(actual.row(slot), to_down * w2.values.transpose(),
                       tile_bound(to_down, w2.format(), w2.magnitudes)))
        << problem.describe(rows) << ", slot " << slot;
    if (decisions != nullptr) {
      sums.row(row) += decisions->weights[static_cast<size_t>(use)] * actual.row(slot);
    }
  }
  if (decisions == nullptr) return;
  const DeviceValues<float> y = guarded(rows, stride);
  cuda::gather_experts(down.data(), stride, slots, weights.data(), rows, dim, y.data(), stride,
                       stream());
  const Matrix largest = Matrix::Constant(rows, dim, actual.cwiseAbs().maxCoeff() * 1e-5);
  EXPECT_TRUE(within(take_guarded(y, rows, dim, stride, stream()), sums, largest))
      << problem.describe(rows);
}

TEST_P(CudaExperts, EveryFormat) {
  Random random(1);
  for (const Format format : all_formats()) {
    const ExpertsProblem problem({4, 2, 256, 256}, {format}, false, random);
    for (const int64_t rows : {1, 3, 20}) check_every(problem, rows, random);
  }
}

TEST_P(CudaExperts, EveryShape) {
  Random random(2);
  const std::vector<Format> formats = {Format::kQ4_0, Format::kQ8_0, Format::kBF16, Format::kF32};
  for (const ExpertShape& shape :
       {ExpertShape{5, 3, 64, 172}, ExpertShape{40, 1, 48, 32}, ExpertShape{1, 1, 40, 64},
        ExpertShape{4, 4, 100, 20}, ExpertShape{17, 5, 37, 50}}) {
    const ExpertsProblem problem(shape, formats, false, random);
    for (const int64_t rows : {int64_t{1}, 2 + random.below(7), 9 + random.below(30)}) {
      check_every(problem, rows, random);
    }
  }
}

// Each matrix of each expert has its own format.
TEST_P(CudaExperts, MixedFormats) {
  Random random(3);
  for (int i = 0; i < 2; ++i) {
    const ExpertsProblem problem({6, 3, 256, 256}, all_formats(), true, random);
    check_every(problem, 1 + random.below(8), random);
    check_every(problem, 9 + random.below(30), random);
  }
}

// Groups as uneven as can be: one has all rows, more than a tile holds, and the others none.
TEST_P(CudaExperts, OneExpertTakesAllRows) {
  Random random(4);
  const ExpertsProblem problem({3, 1, 64, 72}, {Format::kQ4_0}, false, random);
  for (const int64_t rows : {5, 140}) {
    Decisions decisions(problem.shape(), rows, random);
    decisions.experts.assign(decisions.experts.size(), 1);
    if (rows <= cuda::kFewRows) check_few(problem, rows, &decisions, random);
    check_tiles(problem, rows, &decisions, random);
  }
}

TEST_P(CudaExperts, Dense) {
  Random random(5);
  for (const Format format : {Format::kQ4_K, Format::kBF16, Format::kF16}) {
    const ExpertsProblem problem({1, 1, 256, 172}, {format}, false, random);
    for (const int64_t rows : {1, 7}) check_few(problem, rows, nullptr, random);
    check_tiles(problem, 130, nullptr, random);
  }
}

// So wide that several blocks share a panel of w2.
TEST_P(CudaExperts, SplitOverTheHiddenValues) {
  Random random(6);
  const ExpertsProblem problem({3, 2, 32, 2 * 4096 + 64}, {Format::kQ4_0}, false, random);
  for (const int64_t rows : {1, 2}) {
    const Decisions decisions(problem.shape(), rows, random);
    check_few(problem, rows, &decisions, random);
  }
}

}  // namespace
}  // namespace octavo::test
