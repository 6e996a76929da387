// Kernels on single rows, every table against double precision.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "quant/float16.h"
#include "support/compare.h"
#include "support/kernel_tables.h"
#include "support/random.h"
#include "support/reference_ops.h"

namespace octavo::test {
namespace {

constexpr float kGuard = -12345.5f;
const std::vector<int64_t> kCounts = {1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 64, 80, 172, 1000};

class RowKernels : public KernelTest {};
OCTAVO_FOR_ALL_TABLES(RowKernels);

struct Quantized {
  Quantized(int64_t rows, int64_t cols)
      : padded(q8_padded(cols)),
        q(static_cast<size_t>(rows * padded), 99),
        scale(q.size() / 32, kGuard),
        sum(q.size() / 32, 99),
        half_sum(q.size() / 16, 99) {}
  Q8Rows rows() { return {q.data(), scale.data(), sum.data(), half_sum.data(), padded}; }
  int64_t padded;
  std::vector<int8_t> q;
  std::vector<float> scale;
  std::vector<int32_t> sum, half_sum;
};

// One row of a Quantized against the values it stands for.
void expect_quantized(const Quantized& out, int64_t row, const std::vector<float>& x) {
  const auto cols = static_cast<int64_t>(x.size());
  for (int64_t first = 0; first < out.padded; first += 32) {
    const auto block = static_cast<size_t>((row * out.padded + first) / 32);
    double largest = 0;
    int32_t sum = 0, halves[2] = {};
    for (int64_t k = first; k < first + 32; ++k) {
      const int q = out.q[static_cast<size_t>(row * out.padded + k)];
      const double value = k < cols ? x[static_cast<size_t>(k)] : 0;
      sum += q;
      halves[(k - first) / 16] += q;
      largest = std::max(largest, std::abs(value));
      ASSERT_LE(std::abs(q), 127);
      // Half a step, and no more than rounding of the quotient beyond it; no relative precision
      // below 1e-36.
      const double step = out.scale[block];
      ASSERT_LE(std::abs(q * step - value), step * (0.5 + 1e-4) + 1e-36) << "column " << k;
      if (k >= cols) {
        ASSERT_EQ(q, 0) << "column " << k;
      }
    }
    ASSERT_NEAR(out.scale[block], largest / 127, largest * 1e-7 + 1e-44);
    ASSERT_EQ(out.sum[block], sum);
    for (size_t i = 0; i < 2; ++i) ASSERT_EQ(out.half_sum[2 * block + i], halves[i]);
  }
}

TEST_P(RowKernels, QuantizeToTheNearestStep) {
  Random random(1);
  for (const int64_t cols : {1, 16, 31, 32, 33, 64, 172, 256, 257, 300, 1024}) {
    Quantized out(3, cols);
    for (const int64_t row : {2, 0}) {
      const std::vector<float> x = random.normals(cols, row == 0 ? 1.0f : 1e-6f);
      table().quantize_q8(x.data(), cols, row, out.rows());
      expect_quantized(out, row, x);
    }
    for (int64_t k = 0; k < out.padded; ++k) {  // the row between was not asked for
      ASSERT_EQ(out.q[static_cast<size_t>(out.padded + k)], 99);
    }
  }
}

TEST_P(RowKernels, QuantizeExtremes) {
  for (const float magnitude : {0.0f, 1e-45f, 1e-40f, 1e-38f, 3e-37f, 1e-20f, 1e30f, 3e38f}) {
    std::vector<float> x(96);
    for (size_t k = 0; k < x.size(); ++k) {
      x[k] = magnitude * (1 - 0.5f * static_cast<float>(k % 5));
    }
    Quantized out(1, 96);
    table().quantize_q8(x.data(), 96, 0, out.rows());
    expect_quantized(out, 0, x);
  }
}

TEST_P(RowKernels, RmsNorm) {
  Random random(2);
  for (const int64_t cols : kCounts) {
    for (const float size : {1.0f, 1e-4f, 1e4f, 0.0f}) {
      const std::vector<float> x = random.normals(cols, size), gain = random.normals(cols);
      std::vector<float> out(static_cast<size_t>(cols) + 1, kGuard);
      table().rmsnorm(x.data(), gain.data(), 1e-5f, cols, out.data());
      EXPECT_EQ(out.back(), kGuard);
      out.pop_back();
      const Matrix expected =
          reference_rmsnorm(to_matrix(x, 1, cols), to_matrix(gain, 1, cols), 1e-5f);
      const Matrix bound = (expected.cwiseAbs().array() * sum_error(cols) + 1e-36).matrix();
      EXPECT_TRUE(within(to_matrix(out, 1, cols), expected, bound)) << cols << " x " << size;

      std::vector<float> in_place = x;
      table().rmsnorm(in_place.data(), gain.data(), 1e-5f, cols, in_place.data());
      EXPECT_EQ(in_place, out) << "in place, " << cols;
    }
  }
}

TEST_P(RowKernels, SwiGlu) {
  Random random(3);
  for (const int64_t count : kCounts) {
    for (const float size : {1.0f, 30.0f, 1000.0f}) {
      std::vector<float> gate = random.normals(count, size);
      const std::vector<float> up = random.normals(count);
      const Matrix expected = reference_swiglu(to_matrix(gate, 1, count), to_matrix(up, 1, count));
      gate.push_back(kGuard);
      table().swiglu(gate.data(), up.data(), count);
      EXPECT_EQ(gate.back(), kGuard);
      gate.pop_back();
      // A few units in the last place of exp; e^-88 and less is nothing.
      const Matrix bound = (expected.cwiseAbs().array() * 1e-6 + 1e-33).matrix();
      EXPECT_TRUE(within(to_matrix(gate, 1, count), expected, bound)) << count << " x " << size;
    }
  }
}

TEST_P(RowKernels, Axpy) {
  Random random(4);
  for (const int64_t count : kCounts) {
    const std::vector<float> x = random.normals(count);
    std::vector<float> y = random.normals(count);
    const Matrix mx = to_matrix(x, 1, count), my = to_matrix(y, 1, count);
    y.push_back(kGuard);
    table().axpy(-0.75f, x.data(), y.data(), count);
    EXPECT_EQ(y.back(), kGuard);
    y.pop_back();
    const Matrix bound = (mx.cwiseAbs() + my.cwiseAbs()) * 0x1p-23;
    EXPECT_TRUE(within(to_matrix(y, 1, count), my - 0.75 * mx, bound)) << count;
  }
}

TEST_P(RowKernels, Rope) {
  Random random(5);
  for (const int64_t half : {1, 3, 4, 5, 8, 16, 24, 40, 64}) {
    std::vector<float> x = random.normals(2 * half), cosine, sine;
    Matrix expected(1, 2 * half);
    for (int64_t i = 0; i < half; ++i) {
      const double angle = random.uniform(-3, 3);
      cosine.push_back(static_cast<float>(std::cos(angle)));
      sine.push_back(static_cast<float>(std::sin(angle)));
      const double a = x[static_cast<size_t>(i)], b = x[static_cast<size_t>(i + half)];
      expected(0, i) = a * std::cos(angle) - b * std::sin(angle);
      expected(0, i + half) = b * std::cos(angle) + a * std::sin(angle);
    }
    x.push_back(kGuard);
    table().rope(x.data(), cosine.data(), sine.data(), half);
    EXPECT_EQ(x.back(), kGuard);
    x.pop_back();
    const Matrix bound = Matrix::Constant(1, 2 * half, 8 * 0x1p-23 * 4);
    EXPECT_TRUE(within(to_matrix(x, 1, 2 * half), expected, bound)) << half;
  }
}

TEST_P(RowKernels, NarrowToTheCacheLikeTheScalarConversion) {
  Random random(6);
  for (const int64_t count : kCounts) {
    for (const float size : {1.0f, 1e-7f, 1e4f}) {
      std::vector<float> x = random.normals(count, size);
      x[0] = 1.00048828125f;  // exactly between two f16 values: to even
      for (const CacheFormat format : {CacheFormat::kF32, CacheFormat::kF16, CacheFormat::kBF16}) {
        const size_t width = format == CacheFormat::kF32 ? 4 : 2;
        std::vector<std::byte> out(width * (x.size() + 1), std::byte{0x5A});
        table().to_cache(format, x.data(), out.data(), count);
        for (size_t i = 0; i < x.size(); ++i) {
          uint32_t bits = 0;
          std::memcpy(&bits, out.data() + width * i, width);
          const uint32_t expected = format == CacheFormat::kF32   ? std::bit_cast<uint32_t>(x[i])
                                    : format == CacheFormat::kF16 ? f32_to_f16(x[i])
                                                                  : f32_to_bf16(x[i]);
          ASSERT_EQ(bits, expected) << x[i] << " at " << i << " of " << count;
        }
        ASSERT_EQ(out[width * x.size()], std::byte{0x5A});
      }
    }
  }
}

}  // namespace
}  // namespace octavo::test
