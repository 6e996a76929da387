#include "text/sampling/penalties.h"

namespace octavo {

void LogitBias::apply(Candidates& candidates) {
  for (const auto& [id, bias] : bias_) {
    Candidate* candidate = candidates.find(id);
    if (candidate == nullptr) continue;
    // Forbidding holds for an infinite logit too, where the sum is no number.
    candidate->logit = std::isinf(bias) ? bias : candidate->logit + bias;
  }
}

void Penalties::accept(int32_t id) {
  recent_.push_back(id);
  ++counts_[id];
  while (recent_.size() > options_.window) {
    const auto oldest = counts_.find(recent_.front());
    if (--oldest->second == 0) counts_.erase(oldest);
    recent_.pop_front();
  }
}

void Penalties::apply(Candidates& candidates) {
  for (const auto& [id, count] : counts_) {
    Candidate* candidate = candidates.find(id);
    if (candidate == nullptr) continue;
    float& logit = candidate->logit;
    logit = logit > 0 ? logit / options_.repeat : logit * options_.repeat;
    logit -= static_cast<float>(count) * options_.frequency + options_.presence;
  }
}

}  // namespace octavo
