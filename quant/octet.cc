#include "quant/octet.h"

#include <cmath>

namespace octavo {

void load_octet(std::span<const float> src, std::span<const float> importance, Octet& octet) {
  octet = {};
  Lanes square;
  for (size_t k = 0; k < src.size(); ++k) {
    const float value = src[k];
    const float x = value > -kLargestValue ? std::min(value, kLargestValue) : -kLargestValue;
    octet.x[k % kGroup].v[k / kGroup] = x;
    square.v[k / kGroup] += x * x;
  }
  Lanes per_deviation;
  for (int l = 0; l < kLanes; ++l) {
    const float deviation = std::sqrt(square.v[l] / kGroup);
    per_deviation.v[l] = deviation > 0 ? 1 / deviation : 0;
  }
  for (size_t k = 0; k < src.size(); ++k) {
    const size_t i = k % kGroup, l = k / kGroup;
    const float x = octet.x[i].v[l];
    const float weight = importance.empty() ? 1 + std::fabs(x) * per_deviation.v[l] : importance[k];
    octet.weight[i].v[l] = weight;
    octet.weighted[i].v[l] = weight * x;
  }
}

}  // namespace octavo
