// Scale search of q6_k: value = d * scale[j] * q; a lane of an octet is two sub-blocks of 16.
#include <cmath>
#include <cstring>

#include "quant/block.h"
#include "quant/octet.h"
#include "quant/quantize_blocks.h"

namespace octavo {
namespace {

constexpr int kHalves = 2, kHalf = kGroup / kHalves;
constexpr float kLow = -32, kHigh = 31;
// Where the candidates put the value of the largest magnitude.
constexpr float kTargets[] = {-32.0f, -30.0f, -30.5f, -31.0f, -31.5f, -32.5f, -33.0f, -33.5f,
                              29.0f,  29.5f,  30.0f,  30.5f,  31.0f,  31.5f,  32.0f,  32.5f};
constexpr int kRefits = 2;
constexpr int kRounds = 4;

float inverse(float value) { return std::fabs(value) < 0x1p-100f ? 0 : 1 / value; }

// One number of each sub-block: [half of the lane].
struct Halves {
  Lanes half[kHalves];
};

// dot = sum w x q and norm = sum w q^2 over sub-block `half` of each lane, q = round(x * per_unit).
struct Sums {
  Lanes dot, norm;
};
Sums sums_of(const Octet& octet, int half, const Lanes& per_unit) {
  Sums sums;
  for (int i = kHalf * half; i < kHalf * (half + 1); ++i) {
#pragma omp simd
    for (int l = 0; l < kLanes; ++l) {
      const float q = round_in(octet.x[i].v[l] * per_unit.v[l], kLow, kHigh);
      sums.dot.v[l] += octet.weighted[i].v[l] * q;
      sums.norm.v[l] += octet.weight[i].v[l] * q * q;
    }
  }
  return sums;
}

// Each sub-block by itself: the least squares scale of the best candidate.
Lanes search_half(const Octet& octet, int half) {
  Lanes extreme, best_scale, best_gain, per_unit;
  for (int i = kHalf * half; i < kHalf * (half + 1); ++i) {
    for (int l = 0; l < kLanes; ++l) {
      const float x = octet.x[i].v[l];
      extreme.v[l] = std::fabs(x) > std::fabs(extreme.v[l]) ? x : extreme.v[l];
    }
  }
  const auto consider = [&] {
    const Sums sums = sums_of(octet, half, per_unit);
    for (int l = 0; l < kLanes; ++l) {
      const float scale = sums.norm.v[l] > 0 ? sums.dot.v[l] / sums.norm.v[l] : 0;
      const float gain = scale * sums.dot.v[l];
      if (!(gain > best_gain.v[l])) continue;
      best_gain.v[l] = gain;
      best_scale.v[l] = scale;
    }
  };
  for (const float target : kTargets) {
    for (int l = 0; l < kLanes; ++l) per_unit.v[l] = target * inverse(extreme.v[l]);
    consider();
  }
  for (int round = 0; round < kRefits; ++round) {
    for (int l = 0; l < kLanes; ++l) per_unit.v[l] = inverse(best_scale.v[l]);
    consider();
  }
  return best_scale;
}

// A super-block's scales as they are stored.
struct Scales {
  uint16_t d = 0;
  int scale[kHalves][kLanes] = {};  // -128..127
};

float value_of(const Scales& scales, int half, int l) {
  return f16_to_f32(scales.d) * static_cast<float>(scales.scale[half][l]);
}

Lanes error_of(const Octet& octet, const Scales& scales, int half) {
  Lanes scale, per_unit, error;
  for (int l = 0; l < kLanes; ++l) {
    scale.v[l] = value_of(scales, half, l);
    per_unit.v[l] = inverse(scale.v[l]);
  }
  for (int i = kHalf * half; i < kHalf * (half + 1); ++i) {
#pragma omp simd
    for (int l = 0; l < kLanes; ++l) {
      const float x = octet.x[i].v[l];
      const float rest = x - scale.v[l] * round_in(x * per_unit.v[l], kLow, kHigh);
      error.v[l] += octet.weight[i].v[l] * rest * rest;
    }
  }
  return error;
}

// Tries the neighbours of each scale under a fixed d; returns the error.
double choose_integers(const Octet& octet, Scales& scales) {
  const Scales centre = scales;
  double total = 0;
  for (int half = 0; half < kHalves; ++half) {
    Lanes least = error_of(octet, centre, half);
    for (const int step : {-1, 1}) {
      Scales candidate = centre;
      for (int& scale : candidate.scale[half]) scale = std::clamp(scale + step, -128, 127);
      const Lanes error = error_of(octet, candidate, half);
      for (int l = 0; l < kLanes; ++l) {
        if (!(error.v[l] < least.v[l])) continue;
        least.v[l] = error.v[l];
        scales.scale[half][l] = candidate.scale[half][l];
      }
    }
    for (const float error : least.v) total += static_cast<double>(error);
  }
  return total;
}

// Least squares d for the integers that `scales` gives.
void refit(const Octet& octet, Scales& scales) {
  double dot = 0, norm = 0;
  for (int half = 0; half < kHalves; ++half) {
    Lanes per_unit;
    for (int l = 0; l < kLanes; ++l) per_unit.v[l] = inverse(value_of(scales, half, l));
    const Sums sums = sums_of(octet, half, per_unit);
    for (int l = 0; l < kLanes; ++l) {
      const double scale = scales.scale[half][l];
      dot += scale * static_cast<double>(sums.dot.v[l]);
      norm += scale * scale * static_cast<double>(sums.norm.v[l]);
    }
  }
  if (norm > 0) scales.d = finite_f16(static_cast<float>(dot / norm));
}

// The scale of the largest magnitude becomes -128, as the field has it: scales have either sign.
Scales choose_scales(const Octet& octet) {
  const Halves searched = {search_half(octet, 0), search_half(octet, 1)};
  float extreme = 0;
  for (const Lanes& half : searched.half) {
    for (const float scale : half.v) {
      if (std::fabs(scale) > std::fabs(extreme)) extreme = scale;
    }
  }
  Scales scales;
  scales.d = finite_f16(extreme / -128);
  for (int half = 0; half < kHalves; ++half) {
    for (int l = 0; l < kLanes; ++l) {
      const float units = searched.half[half].v[l] * inverse(f16_to_f32(scales.d));
      scales.scale[half][l] = static_cast<int>(round_in(units, -128, 127));
    }
  }
  double least = choose_integers(octet, scales);
  Scales best = scales;
  for (int round = 0; round < kRounds; ++round) {
    refit(octet, scales);
    const double error = choose_integers(octet, scales);
    if (!(error < least)) break;
    least = error;
    best = scales;
  }
  return best;
}

void write_block(const Octet& octet, const Scales& scales, BlockQ6_K& block) {
  block = {};
  block.d = scales.d;
  for (int l = 0; l < kLanes; ++l) {
    for (int i = 0; i < kGroup; ++i) {
      const int half = i / kHalf;
      const float units = octet.x[i].v[l] * inverse(value_of(scales, half, l));
      set_quant(block, kGroup * l + i, static_cast<int>(round_in(units, kLow, kHigh)) + 32);
      block.scales[kHalves * l + half] = static_cast<int8_t>(scales.scale[half][l]);
    }
  }
}

}  // namespace

void quantize_row_q6_k(std::span<const float> src, std::byte* dst,
                       std::span<const float> importance) {
  constexpr size_t kOctet = kLanes * kGroup;
  Octet octet;
  for (size_t first = 0; first < src.size(); first += kOctet, dst += sizeof(BlockQ6_K)) {
    const size_t count = std::min(kOctet, src.size() - first);
    load_octet(src.subspan(first, count),
               importance.empty() ? importance : importance.subspan(first, count), octet);
    BlockQ6_K block;
    write_block(octet, choose_scales(octet), block);
    std::memcpy(dst, &block, sizeof block);
  }
}

}  // namespace octavo
