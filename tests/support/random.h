// Seeded random numbers: the same on every run.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace octavo::test {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  uint64_t bits() { return engine_(); }
  float normal() { return normal_(engine_); }
  /// In [low, high).
  double uniform(double low, double high) {
    return low + (high - low) * (static_cast<double>(engine_() >> 11) * 0x1p-53);
  }
  /// In [0, count).
  int64_t below(int64_t count) {
    return static_cast<int64_t>(engine_() % static_cast<uint64_t>(count));
  }
  std::vector<float> normals(int64_t count, float deviation = 1) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = deviation * normal();
    return values;
  }
  /// `count` token ids below `vocab`.
  std::vector<int32_t> ids(int64_t count, int64_t vocab) {
    std::vector<int32_t> values(static_cast<size_t>(count));
    for (int32_t& value : values) value = static_cast<int32_t>(below(vocab));
    return values;
  }

 private:
  std::mt19937_64 engine_;
  std::normal_distribution<float> normal_;
};

}  // namespace octavo::test
