// Products of many rows with weights of 4 and 5 bits: the weights of a group of 256 columns are
// brought to int8 once for all rows, dots run over the whole group, and floats come once a group.
#if defined(OCTAVO_SIMD_MATMUL_WIDE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef OCTAVO_SIMD_MATMUL_WIDE_INL_H_
#undef OCTAVO_SIMD_MATMUL_WIDE_INL_H_
#else
#define OCTAVO_SIMD_MATMUL_WIDE_INL_H_
#endif

#include "simd/wide_unpack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace octavo {
namespace HWY_NAMESPACE {
#if OCTAVO_VECTOR_TARGET

/// Panels that go together, so that an activation is broadcast once for both, and rows of a block:
/// as many sums as hide a dot's latency and leave registers for the weights.
constexpr int kWidePanels = kVectors == 1 ? 2 : 1;
constexpr int kWideRowBlock = kVectors == 1 ? 8 : 4;
/// Rows that share one unpacking; their sums, [rows][32] floats, stay in the first-level cache.
constexpr int64_t kWideChunk = 256;

/// One group of kWidePanels panels.
struct WideWeights {
  HWY_ALIGN uint8_t bytes[kWidePanels][kWidePanelBytes];
  HWY_ALIGN float scale[kWidePanels][kPanelRows];
};

/// sums[r] += the group's products of kRows rows and kPanels panels. q: the first row's place in
/// its block of activations; scale, sum [kRows]; sums [kRows][kWidePanels][kPanelRows].
template <int kRows, int kPanels>
HWY_INLINE void wide_dots(const WideWeights& w, const int8_t* q, const float* scale,
                          const int32_t* sum, float* sums) {
  VI dot[kRows][kPanels][kVectors];
  for (int r = 0; r < kRows; ++r) {
    const VI start = hn::Set(DI(), kUnsignedBytes ? -128 * sum[r] : 0);
    for (int p = 0; p < kPanels; ++p) {
      for (int v = 0; v < kVectors; ++v) dot[r][p][v] = start;
    }
  }
  const uint8_t* lines = w.bytes[0];
  for (int t = 0; t < kWideTiles; ++t, q += kWideRows * kWideTileCols) {
    for (int g = 0; g < kWideTileCols / 4; ++g, lines += kWideLineBytes) {
      VU8 bytes[kPanels][kVectors];
      for (int p = 0; p < kPanels; ++p) {
        for (int v = 0; v < kVectors; ++v) {
          bytes[p][v] = hn::Load(DU8(), lines + p * kWidePanelBytes + 4 * v * kLanes);
        }
      }
      for (int r = 0; r < kRows; ++r) {
        const VI8 x = broadcast4(q + r * kWideTileCols + 4 * g);
        for (int p = 0; p < kPanels; ++p) {
          for (int v = 0; v < kVectors; ++v) {
            if constexpr (kUnsignedBytes) {
              dot[r][p][v] = dot_unsigned(dot[r][p][v], bytes[p][v], x);
            } else {
              dot[r][p][v] = dot_signed(dot[r][p][v], hn::BitCast(DI8(), bytes[p][v]), x);
            }
          }
        }
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < kPanels; ++p) {
      for (int v = 0; v < kVectors; ++v) {
        float* to = sums + (r * kWidePanels + p) * kPanelRows + v * kLanes;
        const VF weight_scale = hn::Load(DF(), w.scale[p] + v * kLanes);
        hn::Store(add_block(dot[r][p][v], weight_scale, scale[r], hn::Load(DF(), to)), DF(), to);
      }
    }
  }
}

/// Rows [0, rows) of x, from its block `block` on, times one group of weights.
template <int kPanels>
HWY_NOINLINE void wide_group(const WideWeights& w, const WideRows& x, int64_t group, int64_t block,
                             int64_t rows, float* sums) {
  for (; rows > 0; rows -= kWideRows, ++block) {
    const int8_t* q = x.block(group, block);
    const float* scale = x.scale + x.row_at(group, block);
    const int32_t* sum = x.sum + x.row_at(group, block);
    const int64_t here = std::min<int64_t>(rows, kWideRows);
    for_row_blocks<kWideRowBlock>(here, [&]<int kRows>(int64_t r) {
      wide_dots<kRows, kPanels>(w, q + r * kWideTileCols, scale + r, sum + r,
                                sums + r * kWidePanels * kPanelRows);
    });
    sums += kWideRows * kWidePanels * kPanelRows;
  }
}

/// kPanels panels from `panel` on, for up to kWideChunk rows from block `block` on.
template <Format kFormat, int kPanels>
HWY_NOINLINE void wide_panels(const std::byte* panel, int64_t cols, const WideRows& x,
                              int64_t block, int64_t rows, float* y, int64_t y_stride,
                              int64_t out_rows) {
  HWY_ALIGN float sums[kWideChunk * kWidePanels * kPanelRows];
  WideWeights w;
  const int64_t panel_bytes = packed_panel_bytes(kFormat, cols);
  const int64_t tiles = packed_tiles(kFormat, cols), width = kWidePanels * kPanelRows;
  std::fill_n(sums, rows * width, 0.0f);
  for (int64_t group = 0; group < wide_groups(cols); ++group) {
    for (int p = 0; p < kPanels; ++p) {
      wide_unpack<kFormat, kUnsignedBytes>(panel + p * panel_bytes, tiles, group, w.bytes[p],
                                           w.scale[p]);
    }
    wide_group<kPanels>(w, x, group, block, rows, sums);
  }
  const int64_t count = std::min<int64_t>(out_rows, kPanels * kPanelRows);
  for (int64_t r = 0; r < rows; ++r) std::copy_n(sums + r * width, count, y + r * y_stride);
}

template <Format kFormat>
HWY_NOINLINE void matmul_wide_as(const std::byte* w, int64_t out_rows, int64_t cols, int64_t begin,
                                 int64_t end, const WideRows& x, int64_t rows, float* y,
                                 int64_t y_stride) {
  const int64_t panel_bytes = packed_panel_bytes(kFormat, cols);
  for (int64_t p = begin; p < end; p += kWidePanels) {
    const std::byte* panel = w + p * panel_bytes;
    const int64_t n = p * kPanelRows;
    for (int64_t first = 0; first < rows; first += kWideChunk) {
      const int64_t here = std::min(kWideChunk, rows - first);
      const auto run =
          end - p >= kWidePanels ? wide_panels<kFormat, kWidePanels> : wide_panels<kFormat, 1>;
      run(panel, cols, x, first / kWideRows, here, y + first * y_stride + n, y_stride,
          out_rows - n);
    }
  }
}

inline void matmul_wide(Format format, const std::byte* w, int64_t out_rows, int64_t cols,
                        int64_t begin, int64_t end, const WideRows& x, int64_t rows, float* y,
                        int64_t y_stride) {
  const auto run = format == Format::kQ4_0   ? matmul_wide_as<Format::kQ4_0>
                   : format == Format::kQ4_K ? matmul_wide_as<Format::kQ4_K>
                                             : matmul_wide_as<Format::kQ5_K>;
  run(w, out_rows, cols, begin, end, x, rows, y, y_stride);
}

inline void quantize_wide(const float* x, int64_t cols, int64_t group, int64_t row,
                          const WideRows& out) {
  HWY_ALIGN float padded[kWideCols];
  if (cols < kWideCols) {
    std::copy_n(x, cols, padded);
    std::fill(padded + cols, padded + kWideCols, 0.0f);
    x = padded;
  }
  VF largest = hn::Zero(DF());
  for (int k = 0; k < kWideCols; k += kLanes) {
    largest = hn::Max(largest, hn::Abs(hn::LoadU(DF(), x + k)));
  }
  const float top = hn::GetLane(hn::MaxOfLanes(DF(), largest));
  const VF inverse = hn::Set(DF(), top >= kWideSmallestTop ? 127.0f / top : 0.0f);
  const int64_t block = row / kWideRows, r = row % kWideRows;
  int8_t* q = out.block(group, block);
  const hn::Rebind<int8_t, DI> di8;
  VI total = hn::Zero(DI());
  for (int k = 0; k < kWideCols; k += kLanes) {
    const VI rounded = hn::NearestInt(hn::Mul(hn::LoadU(DF(), x + k), inverse));
    total = hn::Add(total, rounded);
    hn::StoreU(hn::DemoteTo(di8, rounded), di8, q + wide_at(r, k));
  }
  out.scale[out.row_at(group, block) + r] = top / 127.0f;
  out.sum[out.row_at(group, block) + r] = hn::GetLane(hn::SumOfLanes(DI(), total));
}

/// Without such an instruction, bytes are multiplied as fast in blocks of 32.
constexpr bool kHasWide = kUnsignedBytes || (HWY_ARCH_ARM && OCTAVO_DOT_PRODUCT);

#endif  // OCTAVO_VECTOR_TARGET
}  // namespace HWY_NAMESPACE
}  // namespace octavo
HWY_AFTER_NAMESPACE();

#endif  // include guard
