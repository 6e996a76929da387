// Stages that sharpen or flatten the distribution, and mirostat, which steers how surprising the
// text is.
#pragma once

#include "text/sampling/stage.h"

namespace octavo {

/// Probabilities to the power of 1 / temperature.
class Temperature final : public SamplerStage {
 public:
  explicit Temperature(double temperature) : temperature_(temperature) {}
  void apply(Candidates& candidates) override;

 private:
  double temperature_;
};

/// A temperature between `temperature` - `range` (not below 0) and `temperature` + `range`: low
/// where the model is sure, by (entropy / largest entropy possible) ^ `exponent` (llama.cpp's
/// dynamic temperature).
class DynamicTemperature final : public SamplerStage {
 public:
  DynamicTemperature(double temperature, double range, double exponent)
      : least_(std::max(0.0, temperature - range)),
        most_(temperature + range),
        exponent_(exponent) {}
  void apply(Candidates& candidates) override;

 private:
  double least_, most_, exponent_;
};

/// Mirostat 2 (Basu et al. 2020, arXiv:2007.14966): drops tokens more surprising than mu, and after
/// each token moves mu so that the mean surprise, in bits, tends to `tau`.
class Mirostat final : public SamplerStage {
 public:
  Mirostat(double tau, double eta) : tau_(tau), eta_(eta), mu_(2 * tau) {}
  void apply(Candidates& candidates) override;
  void chosen(int32_t id, double probability) override;

 private:
  double tau_, eta_, mu_;
};

}  // namespace octavo
