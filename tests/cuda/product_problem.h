// Operands of emulated products and what the products should be.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "backend/cuda/kernels/bf16_rows.h"
#include "backend/cuda/kernels/matmul_few.h"
#include "backend/cuda/kernels/matmul_tiles.h"
#include "backend/cuda/kernels/row_ops.h"
#include "cuda/device_values.h"
#include "quant/float16.h"
#include "support/compare.h"
#include "support/packed_matrix.h"
#include "support/random.h"

namespace octavo::test {

constexpr float kGuard = -12345.5f;

/// A weight on the emulated card and what is known of it.
struct DeviceWeight {
  explicit DeviceWeight(PackedMatrix matrix)
      : host(std::move(matrix)),
        bytes(host.view()),
        values(host.values()),
        magnitudes(host.magnitudes()) {}
  Format format() const { return host.format(); }

  PackedMatrix host;
  DeviceValues<std::byte> bytes;
  Matrix values, magnitudes;  ///< as of PackedMatrix
};
inline DeviceWeight random_weight(Format wanted, int64_t rows, int64_t cols, Random& random) {
  const double deviation = 1 / std::sqrt(static_cast<double>(cols));
  return DeviceWeight(random_blocks(storable_format(wanted, cols), rows, cols, random, deviation));
}

/// Rows of activations as floats, as int8 and as bf16, `stride` floats apart.
class DeviceRows {
 public:
  DeviceRows(std::vector<float> x, int64_t rows, int64_t cols, int64_t stride,
             const cuda::OwnedStream& stream);
  DeviceRows(int64_t rows, int64_t cols, Random& random, const cuda::OwnedStream& stream)
      : DeviceRows(random.normals(rows * (cols + 3)), rows, cols, cols + 3, stream) {}

  cuda::FewInput few() const { return {x_.data(), stride_, q8()}; }
  cuda::TileInput tiles() const { return {x_.data(), stride_, bf16()}; }
  cuda::Q8 q8() const { return {q_.data(), scale_.data(), sum_.data(), cols_}; }
  cuda::Bf16Rows bf16() const { return {high_.data(), low_.data(), cols_}; }
  const Matrix& exact() const { return exact_; }
  /// What weights of that format meet when few rows (or many) are multiplied.
  Matrix for_few(Format format) const;
  Matrix for_tiles(Format format) const;

 private:
  int64_t rows_, cols_, stride_;
  DeviceValues<float> x_;
  DeviceValues<int8_t> q_;
  DeviceValues<float> scale_;
  DeviceValues<int32_t> sum_;
  DeviceValues<uint16_t> high_, low_;
  const cuda::OwnedStream& stream_;
  Matrix exact_;
};

/// Values of rows of q8 and of bf16 numbers as they are in device memory.
Matrix q8_values(const std::vector<int8_t>& q, const std::vector<float>& scale, int64_t rows,
                 int64_t cols);
Matrix bf16_values(const std::vector<uint16_t>& numbers, int64_t rows, int64_t cols);

/// Bound of a product in tiles with activations `x` (as for_tiles() has them): both factors of a
/// weight are rounded to bf16 and their product or difference again.
Matrix tile_bound(const Matrix& x, Format format, const Matrix& magnitudes);

/// [rows, stride] that is all kGuard.
inline DeviceValues<float> guarded(int64_t rows, int64_t stride) {
  return DeviceValues<float>(std::vector<float>(static_cast<size_t>(rows * stride), kGuard));
}
/// The first `cols` of each row; what lies behind them is still kGuard.
Matrix take_guarded(const DeviceValues<float>& values, int64_t rows, int64_t cols, int64_t stride,
                    const cuda::OwnedStream& stream);

/// Partials of launches of few rows.
class TestPartials {
 public:
  TestPartials(int64_t sums, int64_t counters)
      : sums_(std::vector<float>(static_cast<size_t>(sums), std::nanf(""))),
        arrived_(std::vector<int32_t>(static_cast<size_t>(counters))) {}
  cuda::Partials get() const { return {sums_.data(), arrived_.data()}; }
  bool all_zero(const cuda::OwnedStream& stream) const {
    const std::vector<int32_t> left = arrived_.read(stream);
    return std::all_of(left.begin(), left.end(), [](int32_t n) { return n == 0; });
  }

 private:
  DeviceValues<float> sums_;
  DeviceValues<int32_t> arrived_;
};

}  // namespace octavo::test
