// Scale search of q4_k and q5_k: value = d * scale[j] * q - dmin * min[j]; one lane is one
// sub-block j.
#include <Eigen/Dense>
#include <cmath>
#include <cstring>

#include "quant/block.h"
#include "quant/octet.h"
#include "quant/quantize_blocks.h"

namespace octavo {
namespace {

struct Range {
  float top;                       // the integers are 0..top
  std::span<const float> targets;  // where the candidates put the largest value, the smallest at 0
};

constexpr float kTargetsQ4[] = {15.0f, 12.8f, 13.2f, 13.6f, 14.0f, 14.3f,
                                14.6f, 15.4f, 15.8f, 16.2f, 16.6f};
constexpr float kTargetsQ5[] = {31.0f, 27.6f, 28.2f, 28.8f, 29.4f, 29.8f,
                                30.2f, 30.6f, 31.4f, 31.8f, 32.4f};
constexpr int kRefits = 3;
constexpr int kRounds = 4;

float inverse(float value) { return std::fabs(value) < 0x1p-100f ? 0 : 1 / value; }

// Weighted sums over a sub-block that do not depend on the integers, and those that do.
struct Moments {
  Lanes w, wx, wxx;
};
struct Sums {
  Lanes q, qq, xq;
};

Moments moments_of(const Octet& octet) {
  Moments m;
  for (int i = 0; i < kGroup; ++i) {
#pragma omp simd
    for (int l = 0; l < kLanes; ++l) {
      m.w.v[l] += octet.weight[i].v[l];
      m.wx.v[l] += octet.weighted[i].v[l];
      m.wxx.v[l] += octet.weighted[i].v[l] * octet.x[i].v[l];
    }
  }
  return m;
}

// Scale and min (>= 0) of each sub-block, before they are quantized themselves.
struct Affine {
  Lanes scale, min;
};

Sums sums_of(const Octet& octet, const Range& range, const Lanes& per_unit, const Lanes& min) {
  Sums sums;
  for (int i = 0; i < kGroup; ++i) {
#pragma omp simd
    for (int l = 0; l < kLanes; ++l) {
      const float q = round_in((octet.x[i].v[l] + min.v[l]) * per_unit.v[l], 0, range.top);
      const float wq = octet.weight[i].v[l] * q;
      sums.q.v[l] += wq;
      sums.qq.v[l] += wq * q;
      sums.xq.v[l] += octet.weighted[i].v[l] * q;
    }
  }
  return sums;
}

// Best scale and min for given integers, min held at 0 where it would be negative, and how much of
// sum w x^2 they explain.
float solve(const Moments& m, const Sums& s, int l, float& scale, float& min) {
  const float w = m.w.v[l], wx = m.wx.v[l], q = s.q.v[l], qq = s.qq.v[l], xq = s.xq.v[l];
  const float determinant = w * qq - q * q;
  scale = min = 0;
  if (determinant > 1e-6f * w * qq) {
    scale = (w * xq - wx * q) / determinant;
    min = (q * xq - qq * wx) / determinant;
  } else if (w > 0 && wx < 0) {  // one integer for all values: below zero only the min gets there
    min = -wx / w;
    return -min * wx;
  }
  if (!(scale > 0) || !(min > 0)) {
    scale = qq > 0 ? std::max(0.0f, xq / qq) : 0;
    min = 0;
  }
  return scale * xq - min * wx;
}

// Each sub-block by itself: candidates for the scale, then alternating least squares.
Affine search_affine(const Octet& octet, const Range& range, const Moments& moments) {
  Lanes low, high;
  for (const Lanes& x : octet.x) {
    for (int l = 0; l < kLanes; ++l) {
      low.v[l] = std::min(low.v[l], x.v[l]);
      high.v[l] = std::max(high.v[l], x.v[l]);
    }
  }
  Affine best;
  Lanes best_gain;
  const auto consider = [&](const Lanes& per_unit, const Lanes& min) {
    const Sums sums = sums_of(octet, range, per_unit, min);
    for (int l = 0; l < kLanes; ++l) {
      float scale, shift;
      const float gain = solve(moments, sums, l, scale, shift);
      if (!(gain > best_gain.v[l])) continue;
      best_gain.v[l] = gain;
      best.scale.v[l] = scale;
      best.min.v[l] = shift;
    }
  };
  Lanes per_unit, min;
  for (const float target : range.targets) {
    for (int l = 0; l < kLanes; ++l) {
      per_unit.v[l] = target * inverse(high.v[l] - low.v[l]);
      min.v[l] = -low.v[l];
    }
    consider(per_unit, min);
  }
  for (int round = 0; round < kRefits; ++round) {
    for (int l = 0; l < kLanes; ++l) per_unit.v[l] = inverse(best.scale.v[l]);
    consider(per_unit, Lanes(best.min));
  }
  return best;
}

// A super-block's scales as they are stored.
struct Scales {
  uint16_t d = 0, dmin = 0;
  int scale[kLanes] = {}, min[kLanes] = {};  // 0..63
};

Affine affine_of(const Scales& scales) {
  const float d = f16_to_f32(scales.d), dmin = f16_to_f32(scales.dmin);
  Affine affine;
  for (int l = 0; l < kLanes; ++l) {
    affine.scale.v[l] = d * static_cast<float>(scales.scale[l]);
    affine.min.v[l] = dmin * static_cast<float>(scales.min[l]);
  }
  return affine;
}

Lanes error_of(const Octet& octet, const Range& range, const Affine& affine) {
  Lanes per_unit, error;
  for (int l = 0; l < kLanes; ++l) per_unit.v[l] = inverse(affine.scale.v[l]);
  for (int i = 0; i < kGroup; ++i) {
#pragma omp simd
    for (int l = 0; l < kLanes; ++l) {
      const float above = octet.x[i].v[l] + affine.min.v[l];
      const float rest = above - affine.scale.v[l] * round_in(above * per_unit.v[l], 0, range.top);
      error.v[l] += octet.weight[i].v[l] * rest * rest;
    }
  }
  return error;
}

// Tries the neighbours of each 6-bit scale and min under fixed d and dmin; returns the error.
double choose_integers(const Octet& octet, const Range& range, Scales& scales) {
  const Scales centre = scales;
  Lanes least;
  for (int n = 0; n < 9; ++n) {
    const int by_scale = n / 3, by_min = n % 3;
    Scales candidate = centre;
    for (int l = 0; l < kLanes; ++l) {
      candidate.scale[l] = std::clamp(centre.scale[l] + by_scale - 1, 0, 63);
      candidate.min[l] = std::clamp(centre.min[l] + by_min - 1, 0, 63);
    }
    const Lanes error = error_of(octet, range, affine_of(candidate));
    for (int l = 0; l < kLanes; ++l) {
      if (n > 0 && !(error.v[l] < least.v[l])) continue;
      least.v[l] = error.v[l];
      scales.scale[l] = candidate.scale[l];
      scales.min[l] = candidate.min[l];
    }
  }
  double total = 0;
  for (const float error : least.v) total += static_cast<double>(error);
  return total;
}

uint16_t scale_of_scales(const Lanes& values) {
  return finite_f16(*std::max_element(values.v, values.v + kLanes) / 63);
}

int six_bits(float value, uint16_t unit) {
  return static_cast<int>(round_in(value * inverse(f16_to_f32(unit)), 0, 63));
}

// Least squares d and dmin for the integers that `scales` gives.
void refit(const Octet& octet, const Range& range, const Moments& moments, Scales& scales) {
  const Affine affine = affine_of(scales);
  Lanes per_unit;
  for (int l = 0; l < kLanes; ++l) per_unit.v[l] = inverse(affine.scale.v[l]);
  const Sums sums = sums_of(octet, range, per_unit, affine.min);
  Eigen::Matrix2d matrix = Eigen::Matrix2d::Zero();
  Eigen::Vector2d right = Eigen::Vector2d::Zero();
  for (int l = 0; l < kLanes; ++l) {
    const double scale = scales.scale[l], min = scales.min[l];
    matrix(0, 0) += scale * scale * static_cast<double>(sums.qq.v[l]);
    matrix(0, 1) -= scale * min * static_cast<double>(sums.q.v[l]);
    matrix(1, 1) += min * min * static_cast<double>(moments.w.v[l]);
    right(0) += scale * static_cast<double>(sums.xq.v[l]);
    right(1) -= min * static_cast<double>(moments.wx.v[l]);
  }
  matrix(1, 0) = matrix(0, 1);
  if (!(matrix.determinant() > 1e-9 * matrix(0, 0) * matrix(1, 1))) return;
  const Eigen::Vector2d solution = matrix.inverse() * right;
  if (!(solution(0) > 0) || !(solution(1) > 0)) return;
  scales.d = finite_f16(static_cast<float>(solution(0)));
  scales.dmin = finite_f16(static_cast<float>(solution(1)));
}

Scales choose_scales(const Octet& octet, const Range& range) {
  const Moments moments = moments_of(octet);
  const Affine affine = search_affine(octet, range, moments);
  Scales scales;
  scales.d = scale_of_scales(affine.scale);
  scales.dmin = scale_of_scales(affine.min);
  for (int l = 0; l < kLanes; ++l) {
    scales.scale[l] = six_bits(affine.scale.v[l], scales.d);
    scales.min[l] = six_bits(affine.min.v[l], scales.dmin);
  }
  double least = choose_integers(octet, range, scales);
  Scales best = scales;
  for (int round = 0; round < kRounds; ++round) {
    refit(octet, range, moments, scales);
    const double error = choose_integers(octet, range, scales);
    if (!(error < least)) break;
    least = error;
    best = scales;
  }
  return best;
}

template <class Block>
void write_block(const Octet& octet, const Range& range, const Scales& scales, Block& block) {
  const Affine affine = affine_of(scales);
  block = {};
  block.d = scales.d;
  block.dmin = scales.dmin;
  for (int l = 0; l < kLanes; ++l) {
    set_scale_min(block.scales, l,
                  {static_cast<uint8_t>(scales.scale[l]), static_cast<uint8_t>(scales.min[l])});
    const float per_unit = inverse(affine.scale.v[l]);
    for (int i = 0; i < kGroup; ++i) {
      const float above = octet.x[i].v[l] + affine.min.v[l];
      set_quant(block, kGroup * l + i, static_cast<int>(round_in(above * per_unit, 0, range.top)));
    }
  }
}

template <class Block>
void quantize_row_affine(const Range& range, std::span<const float> src, std::byte* dst,
                         std::span<const float> importance) {
  constexpr size_t kOctet = kLanes * kGroup;
  Octet octet;
  for (size_t first = 0; first < src.size(); first += kOctet, dst += sizeof(Block)) {
    const size_t count = std::min(kOctet, src.size() - first);
    load_octet(src.subspan(first, count),
               importance.empty() ? importance : importance.subspan(first, count), octet);
    Block block;
    write_block(octet, range, choose_scales(octet, range), block);
    std::memcpy(dst, &block, sizeof block);
  }
}

}  // namespace

void quantize_row_q4_k(std::span<const float> src, std::byte* dst,
                       std::span<const float> importance) {
  quantize_row_affine<BlockQ4_K>({15, kTargetsQ4}, src, dst, importance);
}

void quantize_row_q5_k(std::span<const float> src, std::byte* dst,
                       std::span<const float> importance) {
  quantize_row_affine<BlockQ5_K>({31, kTargetsQ5}, src, dst, importance);
}

}  // namespace octavo
