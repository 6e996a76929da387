// Float weights times float activations: one fused multiply-add per 16 weights, one chain per row,
// so that a row's result does not depend on how many rows are computed with it.
#if defined(OCTAVO_SIMD_MATMUL_FLOAT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_MATMUL_FLOAT_INL_H_
#undef OCTAVO_SIMD_MATMUL_FLOAT_INL_H_
#else
#define OCTAVO_SIMD_MATMUL_FLOAT_INL_H_
#endif

#include "simd/common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

/// Weights of one panel's vector v for columns k and k + 1; `line` is the address of column k.
template <Format kFormat>
HWY_INLINE void load_pair(const std::byte* line, int v, VF& even, VF& odd) {
  if constexpr (kFormat == Format::kF32) {
    const auto* w = reinterpret_cast<const float*>(line) + v * kLanes;
    even = hn::LoadU(DF(), w);
    odd = hn::LoadU(DF(), w + kPanelRows);
  } else if constexpr (kFormat == Format::kF16) {
    even = load_f16(line + 2 * v * kLanes);
    odd = load_f16(line + 2 * (kPanelRows + v * kLanes));
  } else {
    const auto pair = hn::LoadU(DU(), reinterpret_cast<const uint32_t*>(line) + v * kLanes);
    even = hn::BitCast(DF(), hn::ShiftLeft<16>(pair));
    odd = hn::BitCast(DF(), hn::And(pair, hn::Set(DU(), 0xFFFF0000u)));
  }
}

template <Format kFormat, int kRows>
HWY_NOINLINE void float_panel(const std::byte* panel, int64_t cols, const float* x,
                              int64_t x_stride, float* y, int64_t y_stride, int64_t out_rows) {
  constexpr int kPairBytes = 2 * kPanelRows * (kFormat == Format::kF32 ? 4 : 2);
  VF sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(DF());
  }
  VF even, odd;
  int64_t k = 0;
  for (; k + 2 <= cols; k += 2, panel += kPairBytes) {
    fetch_ahead<kPairBytes>(panel, kRows == 1);
    for (int v = 0; v < kVectors; ++v) {
      load_pair<kFormat>(panel, v, even, odd);
      for (int r = 0; r < kRows; ++r) {
        const float* xr = x + r * x_stride + k;
        sum[r][v] = hn::MulAdd(even, hn::Set(DF(), xr[0]), sum[r][v]);
        sum[r][v] = hn::MulAdd(odd, hn::Set(DF(), xr[1]), sum[r][v]);
      }
    }
  }
  for (int v = 0; v < kVectors && k < cols; ++v) {
    load_pair<kFormat>(panel, v, even, odd);
    for (int r = 0; r < kRows; ++r) {
      sum[r][v] = hn::MulAdd(even, hn::Set(DF(), x[r * x_stride + k]), sum[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      store_first(sum[r][v], y + r * y_stride + v * kLanes, out_rows - v * kLanes);
    }
  }
}

template <Format kFormat>
HWY_NOINLINE void matmul_float_as(const std::byte* w, int64_t out_rows, int64_t cols, int64_t begin,
                                  int64_t end, const float* x, int64_t x_stride, int64_t rows,
                                  float* y, int64_t y_stride) {
  const int64_t panel_bytes = packed_panel_bytes(kFormat, cols);
  for (int64_t p = begin; p < end; ++p) {
    const int64_t n = p * kPanelRows;
    for_row_blocks(rows, [&]<int kRows>(int64_t r) {
      float_panel<kFormat, kRows>(w + p * panel_bytes, cols, x + r * x_stride, x_stride,
                                  y + r * y_stride + n, y_stride, out_rows - n);
    });
  }
}

inline void matmul_float(Format format, const std::byte* w, int64_t out_rows, int64_t cols,
                         int64_t begin, int64_t end, const float* x, int64_t x_stride, int64_t rows,
                         float* y, int64_t y_stride) {
  const auto run = format == Format::kF32   ? matmul_float_as<Format::kF32>
                   : format == Format::kF16 ? matmul_float_as<Format::kF16>
                                            : matmul_float_as<Format::kBF16>;
  run(w, out_rows, cols, begin, end, x, x_stride, rows, y, y_stride);
}

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
