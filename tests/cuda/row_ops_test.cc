// Kernels of single rows, emulated, against the CPU's scalar twins.
#include "backend/cuda/kernels/row_ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "cuda/device_values.h"
#include "quant/packed.h"
#include "simd/kernels.h"
#include "support/packed_matrix.h"
#include "support/random.h"

namespace octavo::test {
namespace {

class RowOps : public CudaKernelTest {};
OCTAVO_IN_EVERY_ORDER(RowOps);

TEST_P(RowOps, Embed) {
  Random random(1);
  for (const Format format : all_formats()) {
    const int64_t cols = is_super(format) ? 512 : 172, vocab = 40;
    const PackedMatrix table = random_blocks(format, vocab, cols, random);
    const DeviceValues<std::byte> bytes(table.view());
    const std::vector<int32_t> ids = {0, 39, 17, 3, 16};
    const DeviceValues<int32_t> device_ids(ids);
    DeviceValues<float> out(std::vector<float>(ids.size() * cols));
    cuda::embed(bytes.matrix(), device_ids.data(), 5, out.data(), stream());
    const std::vector<float> actual = out.read(stream());
    std::vector<float> row(static_cast<size_t>(cols));
    for (size_t i = 0; i < ids.size(); ++i) {
      dequantize_packed_row(format, table.view().data, ids[i], row);
      EXPECT_TRUE(std::equal(row.begin(), row.end(), actual.begin() + i * cols))
          << format_name(format) << ", row " << i;
    }
  }
}

TEST_P(RowOps, RmsNorm) {
  Random random(2);
  for (const int64_t cols : {1, 32, 100, 1000, 2500}) {
    const std::vector<float> x = random.normals(3 * cols), gain = random.normals(cols);
    const DeviceValues<float> device_x(x), device_gain(gain);
    cuda::rmsnorm(
        {.x = device_x.data(), .gain = device_gain.data(), .eps = 1e-5f, .out = device_x.data()}, 3,
        cols, stream());
    const std::vector<float> actual = device_x.read(stream());
    std::vector<float> expected(static_cast<size_t>(cols));
    for (int64_t r = 0; r < 3; ++r) {
      scalar_kernels().rmsnorm(x.data() + r * cols, gain.data(), 1e-5f, cols, expected.data());
      for (int64_t k = 0; k < cols; ++k) {
        const double error = (static_cast<double>(cols) + 16) * 0x1p-24;
        ASSERT_NEAR(actual[r * cols + k], expected[k], std::abs(expected[k]) * error) << cols;
      }
    }
  }
}

// One kernel against three.
TEST_P(RowOps, RmsNormAddsAndQuantizesToTheSameBits) {
  Random random(5);
  constexpr int64_t kRows = 3;
  for (const int64_t cols : {1, 32, 100, 1000, 2500}) {
    const std::vector<float> x = random.normals(kRows * cols), y = random.normals(kRows * cols),
                             gain = random.normals(cols), none(x.size());
    const DeviceValues<float> device_gain(gain), added(y), sum(x), norm(none), fused_sum(x),
        fused_norm(none);
    const int64_t padded = kRows * cuda::q8_padded(cols);
    struct Quantized {
      explicit Quantized(int64_t size)
          : q(std::vector<int8_t>(static_cast<size_t>(size), 99)),
            scale(std::vector<float>(static_cast<size_t>(size / 32), -1)),
            sum(std::vector<int32_t>(static_cast<size_t>(size / 32), -1)) {}
      DeviceValues<int8_t> q;
      DeviceValues<float> scale;
      DeviceValues<int32_t> sum;
    };
    const Quantized apart(padded), fused(padded);
    cuda::NormRows step = {
        .x = sum.data(), .gain = device_gain.data(), .eps = 1e-5f, .out = norm.data()};
    cuda::add(sum.data(), kRows * cols, added.data(), stream());
    cuda::rmsnorm(step, kRows, cols, stream());
    cuda::quantize_q8(norm.data(), cols, kRows,
                      {apart.q.data(), apart.scale.data(), apart.sum.data(), cols}, stream());
    step.x = fused_sum.data();
    step.added = added.data();
    step.out = fused_norm.data();
    step.q8 = {fused.q.data(), fused.scale.data(), fused.sum.data(), cols};
    cuda::rmsnorm(step, kRows, cols, stream());
    EXPECT_EQ(fused_sum.read(stream()), sum.read(stream())) << cols;
    EXPECT_EQ(fused_norm.read(stream()), norm.read(stream())) << cols;
    EXPECT_EQ(fused.q.read(stream()), apart.q.read(stream())) << cols;
    EXPECT_EQ(fused.scale.read(stream()), apart.scale.read(stream())) << cols;
    EXPECT_EQ(fused.sum.read(stream()), apart.sum.read(stream())) << cols;
  }
}

TEST_P(RowOps, QuantizeGivesTheTwinsBits) {
  Random random(3);
  for (const int64_t cols : {1, 32, 40, 64, 172, 700}) {
    const int64_t rows = 3, stride = cols + 5, padded = cuda::q8_padded(cols);
    std::vector<float> x = random.normals(rows * stride);
    for (int64_t k = 0; k < std::min<int64_t>(cols, 32); ++k)
      x[stride + k] = 0;  // a block of zeros
    const DeviceValues<float> device_x(x);
    const DeviceValues<int8_t> q(std::vector<int8_t>(rows * padded, 99));
    const DeviceValues<float> scale(std::vector<float>(rows * padded / 32, -1));
    const DeviceValues<int32_t> sum(std::vector<int32_t>(rows * padded / 32, -1));
    cuda::quantize_q8(device_x.data(), stride, rows, {q.data(), scale.data(), sum.data(), cols},
                      stream());
    const auto actual_q = q.read(stream());
    const auto actual_scale = scale.read(stream());
    const auto actual_sum = sum.read(stream());

    std::vector<int8_t> twin_q(q8_padded(cols));
    std::vector<float> twin_scale(twin_q.size() / 32);
    std::vector<int32_t> twin_sum(twin_scale.size()), half_sum(2 * twin_scale.size());
    const Q8Rows twin = {twin_q.data(), twin_scale.data(), twin_sum.data(), half_sum.data(),
                         q8_padded(cols)};
    for (int64_t r = 0; r < rows; ++r) {
      scalar_kernels().quantize_q8(x.data() + r * stride, cols, 0, twin);
      for (int64_t k = 0; k < padded; ++k) ASSERT_EQ(actual_q[r * padded + k], twin_q[k]) << cols;
      for (int64_t b = 0; b < padded / 32; ++b) {
        ASSERT_EQ(actual_scale[r * padded / 32 + b], twin_scale[b]) << cols;
        ASSERT_EQ(actual_sum[r * padded / 32 + b], twin_sum[b]) << cols;
      }
    }
  }
}

TEST_P(RowOps, Add) {
  Random random(4);
  for (const int64_t count : {1, 255, 1000}) {
    const std::vector<float> a = random.normals(count), b = random.normals(count);
    const DeviceValues<float> x(a), y(b);
    cuda::add(x.data(), count, y.data(), stream());
    const std::vector<float> sum = x.read(stream());
    for (size_t i = 0; i < a.size(); ++i) ASSERT_EQ(sum[i], a[i] + b[i]);
  }
}

}  // namespace
}  // namespace octavo::test
