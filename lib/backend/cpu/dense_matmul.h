// Dense float products of many rows through a library, over the packed order in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "quant/format.h"

namespace octavo {

/// y = x * w^T for whole panels of an f32 or bf16 matrix. bf16 weights meet activations split into
/// two bf16 parts, so that nothing of the activations is lost. Implemented by oneDNN, or absent
/// from the build.
class DenseMatmul {
 public:
  /// Fewer rows, or fewer multiplications than about a millisecond's, are not worth the library's
  /// while.
  static constexpr int64_t kLeastRows = 16, kLeastProducts = int64_t{1} << 27;

  /// Whether there is a library in this build.
  static bool available();

  explicit DenseMatmul(int threads);
  ~DenseMatmul();

  /// How many of the leading rows of x it computed (0: it declines; the caller does the rest).
  /// panels: out_cols / 16 panels of [.., cols]; x [rows, x_stride]; y [rows, y_stride].
  int64_t run(Format format, const std::byte* panels, int64_t out_cols, int64_t cols,
              const float* x, int64_t x_stride, int64_t rows, float* y, int64_t y_stride);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace octavo
