// The plainly right twin of every vector kernel: loops over single values, no blocking.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "quant/block.h"
#include "quant/float16.h"
#include "quant/packed.h"
#include "simd/kernels.h"
#include "simd/scalar_attention.h"

namespace octavo {
namespace {

// Calls use(row, values of that row) for each existing row of panels [begin, end).
template <class Use>
void for_each_row(Format format, const std::byte* w, int64_t out_rows, int64_t cols, int64_t begin,
                  int64_t end, Use use) {
  std::vector<float> values(cols);
  for (int64_t n = begin * kPanelRows; n < std::min(end * kPanelRows, out_rows); ++n) {
    dequantize_packed_row(format, w, n, values);
    use(n, values);
  }
}

void matmul_float(Format format, const std::byte* w, int64_t out_rows, int64_t cols, int64_t begin,
                  int64_t end, const float* x, int64_t x_stride, int64_t rows, float* y,
                  int64_t y_stride) {
  for_each_row(format, w, out_rows, cols, begin, end, [&](int64_t n, const std::vector<float>& wn) {
    for (int64_t r = 0; r < rows; ++r) {
      float sum = 0;
      for (int64_t k = 0; k < cols; ++k) sum += wn[k] * x[r * x_stride + k];
      y[r * y_stride + n] = sum;
    }
  });
}

void matmul_q8(Format format, const std::byte* w, int64_t out_rows, int64_t cols, int64_t begin,
               int64_t end, const Q8Rows& x, int64_t rows, float* y, int64_t y_stride) {
  for_each_row(format, w, out_rows, cols, begin, end, [&](int64_t n, const std::vector<float>& wn) {
    for (int64_t r = 0; r < rows; ++r) {
      float sum = 0;
      for (int64_t k = 0; k < cols; ++k) {
        const int64_t at = r * x.padded + k;
        sum += wn[k] * (x.scale[at / 32] * static_cast<float>(x.q[at]));
      }
      y[r * y_stride + n] = sum;
    }
  });
}

void quantize_q8(const float* x, int64_t cols, int64_t row, const Q8Rows& out) {
  int8_t* q = out.q + row * out.padded;
  for (int64_t first = 0; first < out.padded; first += 32) {
    float largest = 0;
    for (int64_t k = first; k < std::min(first + 32, cols); ++k) {
      largest = std::max(largest, std::abs(x[k]));
    }
    const float inverse = largest >= kQ8SmallestMax ? 127.0f / largest : 0.0f;
    const int64_t block = (row * out.padded + first) / 32;
    int32_t* half_sum = out.half_sum + 2 * block;
    half_sum[0] = half_sum[1] = 0;
    for (int64_t k = first; k < first + 32; ++k) {
      q[k] = k < cols ? static_cast<int8_t>(std::nearbyint(x[k] * inverse)) : int8_t{0};
      half_sum[(k - first) / 16] += q[k];
    }
    out.scale[block] = largest / 127.0f;
    out.sum[block] = half_sum[0] + half_sum[1];
  }
}

void rmsnorm(const float* x, const float* gain, float eps, int64_t cols, float* out) {
  double sum = 0;
  for (int64_t k = 0; k < cols; ++k) sum += static_cast<double>(x[k]) * x[k];
  const auto mean = static_cast<float>(sum / static_cast<double>(cols));
  const float scale = 1.0f / std::sqrt(mean + eps);
  for (int64_t k = 0; k < cols; ++k) out[k] = x[k] * scale * gain[k];
}

void swiglu(float* gate, const float* up, int64_t count) {
  for (int64_t i = 0; i < count; ++i) gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

void axpy(float a, const float* x, float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] += a * x[i];
}

void rope(float* x, const float* cosine, const float* sine, int64_t half) {
  for (int64_t i = 0; i < half; ++i) {
    const float a = x[i], b = x[i + half];
    x[i] = a * cosine[i] - b * sine[i];
    x[i + half] = a * sine[i] + b * cosine[i];
  }
}

void to_q8_cache(const float* x, std::byte* out, int64_t count) {
  for (int64_t first = 0; first < count; first += 32, out += sizeof(BlockQ8_0)) {
    const int64_t size = std::min<int64_t>(32, count - first);
    float largest = 0;
    for (int64_t i = first; i < first + size; ++i) largest = std::max(largest, std::abs(x[i]));
    BlockQ8_0 block = {};
    // The largest f16; a scale that is zeros as f16 makes zeros.
    block.d = f32_to_f16(std::min(largest / 127.0f, 65504.0f));
    const float scale = f16_to_f32(block.d), inverse = scale > 0 ? 1.0f / scale : 0.0f;
    for (int64_t i = 0; i < size; ++i) {
      const float quant = std::nearbyint(x[first + i] * inverse);
      block.qs[i] = static_cast<int8_t>(std::clamp(quant, -127.0f, 127.0f));
    }
    std::memcpy(out, &block, sizeof(block));
  }
}

void to_cache(CacheFormat format, const float* x, std::byte* out, int64_t count) {
  if (format == CacheFormat::kQ8_0) return to_q8_cache(x, out, count);
  if (format == CacheFormat::kF32) {
    std::memcpy(out, x, 4 * count);
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t bits = format == CacheFormat::kF16 ? f32_to_f16(x[i]) : f32_to_bf16(x[i]);
    std::memcpy(out + 2 * i, &bits, 2);
  }
}

uint32_t read_memory(const std::byte* data, int64_t bytes, ReadPattern) {
  uint32_t all = 0;
  for (int64_t i = 0; i + 4 <= bytes; i += 4) {
    uint32_t word;
    std::memcpy(&word, data + i, 4);
    all ^= word;
  }
  return all;
}

MachineWork spin_float(int64_t rounds) {
  float sum = 0;
  for (int64_t i = 0; i < rounds; ++i) sum = sum * 0.5f + 0.25f;
  return {2.0 * static_cast<double>(rounds), sum};
}

MachineWork spin_int8(int64_t rounds) {
  uint32_t sum = 0;
  for (int64_t i = 0; i < rounds; ++i) sum += (sum & 15) * 3;
  return {2.0 * static_cast<double>(rounds), static_cast<float>(sum)};
}

constexpr Kernels kScalar = {.name = "scalar",
                             .matmul_float = matmul_float,
                             .matmul_q8 = matmul_q8,
                             .quantize_q8 = quantize_q8,
                             .matmul_wide = nullptr,
                             .quantize_wide = nullptr,
                             .rmsnorm = rmsnorm,
                             .swiglu = swiglu,
                             .axpy = axpy,
                             .rope = rope,
                             .to_cache = to_cache,
                             .attend_tile = scalar::attend_tile,
                             .read_memory = read_memory,
                             .spin_float = spin_float,
                             .spin_int8 = spin_int8};

}  // namespace

const Kernels& scalar_kernels() { return kScalar; }

}  // namespace octavo
