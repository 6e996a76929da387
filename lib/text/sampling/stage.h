// One step of choosing a token. docs/sampling.md lists the stages in their order.
#pragma once

#include <cstdint>
#include <random>

#include "text/sampling/candidates.h"

namespace octavo {

class SamplerStage {
 public:
  virtual ~SamplerStage() = default;

  /// Weakens or drops candidates (not empty); one at least is left.
  virtual void apply(Candidates& candidates) = 0;
  /// A token of the sequence: of the prompt, or one that was chosen.
  virtual void accept(int32_t /*id*/) {}
  /// Comes before accept for a chosen token; `probability` among the last candidates.
  virtual void chosen(int32_t /*id*/, double /*probability*/) {}
};

/// mt19937_64, which the C++ standard fixes bit by bit, and a conversion of our own, so that a seed
/// gives the same tokens everywhere.
class SamplerRandom {
 public:
  explicit SamplerRandom(uint64_t seed) : engine_(seed) {}
  /// Uniform in [0, 1): the high 53 bits.
  double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace octavo
