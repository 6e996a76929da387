// Scale search of the formats value = d * q: q8_0 and q4_0.
#include <cmath>
#include <cstring>

#include "quant/block.h"
#include "quant/octet.h"
#include "quant/quantize_blocks.h"

namespace octavo {
namespace {

struct Range {
  float low, high;                 // of the integers
  std::span<const float> targets;  // where the candidates put the value of the largest magnitude
};

constexpr float kTargetsQ8[] = {127.0f, 127.4f, 126.5f, 126.0f, 125.5f, 125.0f, 124.5f, 124.0f,
                                123.5f, 123.0f, 122.5f, 122.0f, 121.5f, 121.0f, 120.5f, 120.0f};
constexpr float kTargetsQ4[] = {-8.0f, -6.4f, -6.8f, -7.2f, -7.6f, -8.4f, -8.8f, -9.2f,
                                5.6f,  6.0f,  6.4f,  6.8f,  7.2f,  7.6f,  8.0f,  8.4f};
constexpr int kRefits = 2;

float inverse(float value) { return std::fabs(value) < 0x1p-100f ? 0 : 1 / value; }

// The value of the largest magnitude in each group.
Lanes extremes(const Octet& octet) {
  Lanes best;
  for (const Lanes& x : octet.x) {
    for (int l = 0; l < kLanes; ++l) {
      best.v[l] = std::fabs(x.v[l]) > std::fabs(best.v[l]) ? x.v[l] : best.v[l];
    }
  }
  return best;
}

// dot = sum w x q and norm = sum w q^2 for q = round(x * per_unit): the best d for these integers
// is dot / norm, and what it explains of sum w x^2 is dot^2 / norm.
void project(const Octet& octet, const Range& range, const Lanes& per_unit, Lanes& dot,
             Lanes& norm) {
  Lanes a, b;
  for (int i = 0; i < kGroup; ++i) {
#pragma omp simd
    for (int l = 0; l < kLanes; ++l) {
      const float q = round_in(octet.x[i].v[l] * per_unit.v[l], range.low, range.high);
      a.v[l] += octet.weighted[i].v[l] * q;
      b.v[l] += octet.weight[i].v[l] * q * q;
    }
  }
  dot = a;
  norm = b;
}

// Least squares d of the best candidate, before it is rounded to f16.
Lanes search_scale(const Octet& octet, const Range& range, const Lanes& extreme) {
  Lanes best_d, best_gain;
  const auto consider = [&](const Lanes& per_unit) {
    Lanes dot, norm;
    project(octet, range, per_unit, dot, norm);
    for (int l = 0; l < kLanes; ++l) {
      const float d = norm.v[l] > 0 ? dot.v[l] / norm.v[l] : 0;
      const float gain = d * dot.v[l];
      const bool better = gain > best_gain.v[l];
      best_gain.v[l] = better ? gain : best_gain.v[l];
      best_d.v[l] = better ? d : best_d.v[l];
    }
  };
  Lanes per_unit;
  for (const float target : range.targets) {
    for (int l = 0; l < kLanes; ++l) per_unit.v[l] = target * inverse(extreme.v[l]);
    consider(per_unit);
  }
  for (int round = 0; round < kRefits; ++round) {
    for (int l = 0; l < kLanes; ++l) per_unit.v[l] = inverse(best_d.v[l]);
    consider(per_unit);
  }
  return best_d;
}

struct Scales {
  uint16_t bits[kLanes];
};

// Weighted squared error with the scales as they will be read back.
Lanes error_of(const Octet& octet, const Range& range, const Scales& scales) {
  Lanes d, per_unit, error;
  for (int l = 0; l < kLanes; ++l) {
    d.v[l] = f16_to_f32(scales.bits[l]);
    per_unit.v[l] = inverse(d.v[l]);
  }
  for (int i = 0; i < kGroup; ++i) {
#pragma omp simd
    for (int l = 0; l < kLanes; ++l) {
      const float x = octet.x[i].v[l];
      const float rest = x - d.v[l] * round_in(x * per_unit.v[l], range.low, range.high);
      error.v[l] += octet.weight[i].v[l] * rest * rest;
    }
  }
  return error;
}

// The next f16 in magnitude, `step` up or down, still finite and of the same sign.
uint16_t neighbour(uint16_t bits, int step) {
  const int magnitude = std::clamp((bits & 0x7FFF) + step, 0, 0x7BFF);
  return static_cast<uint16_t>((bits & 0x8000) | magnitude);
}

// Of round-to-nearest's scale, the searched one and its two neighbours, the one of least error.
Scales choose_scales(const Octet& octet, const Range& range) {
  Lanes extreme = extremes(octet);
  if (range.low == -range.high) {  // the sign of d makes no difference: positive
    for (float& value : extreme.v) value = std::fabs(value);
  }
  const Lanes searched = search_scale(octet, range, extreme);
  Scales best, rounded;
  for (int l = 0; l < kLanes; ++l) {
    best.bits[l] = finite_f16(extreme.v[l] / range.targets[0]);
    rounded.bits[l] = finite_f16(searched.v[l]);
  }
  Lanes least = error_of(octet, range, best);
  for (const int step : {0, -1, 1}) {
    Scales candidate;
    for (int l = 0; l < kLanes; ++l) candidate.bits[l] = neighbour(rounded.bits[l], step);
    const Lanes error = error_of(octet, range, candidate);
    for (int l = 0; l < kLanes; ++l) {
      if (!(error.v[l] < least.v[l])) continue;
      least.v[l] = error.v[l];
      best.bits[l] = candidate.bits[l];
    }
  }
  return best;
}

int integer(const Octet& octet, const Range& range, float per_unit, int i, int l) {
  return static_cast<int>(round_in(octet.x[i].v[l] * per_unit, range.low, range.high));
}

void write_block(const Octet& octet, const Range& range, int l, uint16_t d, BlockQ8_0& block) {
  const float per_unit = inverse(f16_to_f32(d));
  block.d = d;
  for (int i = 0; i < kGroup; ++i) {
    block.qs[i] = static_cast<int8_t>(integer(octet, range, per_unit, i, l));
  }
}

void write_block(const Octet& octet, const Range& range, int l, uint16_t d, BlockQ4_0& block) {
  const float per_unit = inverse(f16_to_f32(d));
  block.d = d;
  for (int i = 0; i < 16; ++i) {
    const int low = integer(octet, range, per_unit, i, l) + 8;
    const int high = integer(octet, range, per_unit, i + 16, l) + 8;
    block.qs[i] = static_cast<uint8_t>(low | (high << 4));
  }
}

template <class Block>
void quantize_row_symmetric(const Range& range, std::span<const float> src, std::byte* dst,
                            std::span<const float> importance) {
  constexpr size_t kOctet = kLanes * kGroup;
  Octet octet;
  for (size_t first = 0; first < src.size(); first += kOctet) {
    const size_t count = std::min(kOctet, src.size() - first);
    load_octet(src.subspan(first, count),
               importance.empty() ? importance : importance.subspan(first, count), octet);
    const Scales scales = choose_scales(octet, range);
    for (size_t l = 0; l * kGroup < count; ++l, dst += sizeof(Block)) {
      Block block;
      write_block(octet, range, static_cast<int>(l), scales.bits[l], block);
      std::memcpy(dst, &block, sizeof block);
    }
  }
}

}  // namespace

void quantize_row_q8_0(std::span<const float> src, std::byte* dst,
                       std::span<const float> importance) {
  quantize_row_symmetric<BlockQ8_0>({-127, 127, kTargetsQ8}, src, dst, importance);
}

void quantize_row_q4_0(std::span<const float> src, std::byte* dst,
                       std::span<const float> importance) {
  quantize_row_symmetric<BlockQ4_0>({-8, 7, kTargetsQ4}, src, dst, importance);
}

}  // namespace octavo
