#include "text/sampling/temperature.h"

namespace octavo {
namespace {

/// A temperature whose inverse is no number leaves the best one.
void heat(Candidates& candidates, double temperature) {
  if (std::isfinite(1 / temperature)) {
    candidates.set_temperature(temperature);
  } else {
    candidates.keep_best(1);
  }
}

}  // namespace

void Temperature::apply(Candidates& candidates) { heat(candidates, temperature_); }

void DynamicTemperature::apply(Candidates& candidates) {
  if (candidates.size() == 1) return;
  candidates.at(0);
  const double share = candidates.entropy() / std::log(static_cast<double>(candidates.size()));
  // Rounding may leave the entropy outside what it can be.
  const double position = std::pow(std::clamp(share, 0.0, 1.0), exponent_);
  heat(candidates, least_ + (most_ - least_) * position);
}

void Mirostat::apply(Candidates& candidates) {
  candidates.at(0);
  const double total = candidates.total();
  const auto surprise = [&](size_t rank) {
    return std::log2(total) - std::log2(candidates.likelihood(candidates.at(rank)));
  };
  size_t count = 1;
  while (count < candidates.size() && surprise(count) <= mu_) ++count;
  candidates.keep_best(count);
}

void Mirostat::chosen(int32_t /*id*/, double probability) {
  mu_ -= eta_ * (-std::log2(probability) - tau_);
}

}  // namespace octavo
