// A small packed weight matrix with everything that a test wants to know about it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/tensor.h"
#include "quant/format.h"
#include "support/matrix.h"
#include "support/random.h"

namespace octavo::test {

class PackedMatrix {
 public:
  /// Packs row-order blocks, `rows` rows of row_bytes(format, cols).
  PackedMatrix(Format format, int64_t rows, int64_t cols, std::vector<std::byte> row_order);

  Format format() const { return format_; }
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  /// Aligned to 64 bytes and not a byte longer than packed_bytes(), so that sanitizers see an
  /// overrun.
  const std::byte* data() const { return reinterpret_cast<const std::byte*>(lines_.data()); }
  TensorView view() const;
  /// The values that the blocks stand for, by the row-order dequantizer.
  Matrix values() const;
  /// How large the terms are that a kernel adds up for each weight: |w|, plus twice the min that
  /// q4_k and q5_k subtract. Rounding errors of a sum are relative to these.
  Matrix magnitudes() const;
  /// How far each weight moves when the wide kernels (simd/wide.h) round it to int8; zero for
  /// formats that they do not take.
  Matrix shift() const;

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  Format format_;
  int64_t rows_, cols_;
  std::vector<std::byte> row_order_;
  std::vector<Line> lines_;
};

/// Every bit pattern a block can have (scales of both signs, all quants, all scales of scales
/// and mins), with values of about `deviation`.
PackedMatrix random_blocks(Format format, int64_t rows, int64_t cols, Random& random,
                           double deviation = 0.1);
/// `values` [rows, cols] rounded to nearest in `format`.
PackedMatrix pack_values(Format format, int64_t rows, int64_t cols, std::span<const float> values);
/// A vector of the model file: plain f32.
TensorView plain_view(std::span<const float> values);

}  // namespace octavo::test
