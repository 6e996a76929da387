#include "text/sampling/logprobs.h"

#include "core/error.h"
#include "text/sampling/candidates.h"

namespace octavo {

std::vector<TokenLogprob> log_probabilities(std::span<const float> logits, int32_t id, int count) {
  if (id < 0 || static_cast<size_t>(id) >= logits.size()) {
    fail(ErrorCode::kInvalidArgument, "id {} is outside the vocabulary of {}", id, logits.size());
  }
  if (count < 0) fail(ErrorCode::kInvalidArgument, "the count of alternatives must be 0 or more");
  Candidates candidates;
  candidates.read(logits);
  const Candidate wanted = *candidates.find(id);
  const double best = candidates.best().logit, log_total = std::log(candidates.total());
  const auto entry = [&](const Candidate& candidate) {
    return TokenLogprob{candidate.id, static_cast<float>(candidate.logit - best - log_total)};
  };
  std::vector<TokenLogprob> result = {entry(wanted)};
  candidates.keep_best(static_cast<size_t>(count));
  for (size_t rank = 0; rank < std::min(candidates.size(), static_cast<size_t>(count)); ++rank) {
    result.push_back(entry(candidates.at(rank)));
  }
  return result;
}

}  // namespace octavo
