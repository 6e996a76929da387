#include "text/sampling/dry.h"

#include <algorithm>
#include <cmath>

namespace octavo {
namespace {

/// z[i]: how many tokens before the end of `tokens` equal those before the end of its first
/// size - i. The Z algorithm, read backwards; z[0] stays 0.
std::vector<int> common_endings(std::span<const int32_t> tokens) {
  const int size = static_cast<int>(tokens.size());
  const auto backwards = [&](int i) { return tokens[static_cast<size_t>(size - 1 - i)]; };
  std::vector<int> z(tokens.size());
  int begin = 0, end = 0;  // the match that reaches furthest: [begin, end)
  for (int i = 1; i < size; ++i) {
    int length = i < end ? std::min(end - i, z[static_cast<size_t>(i - begin)]) : 0;
    while (i + length < size && backwards(length) == backwards(i + length)) ++length;
    z[static_cast<size_t>(i)] = length;
    if (i + length > end) begin = i, end = i + length;
  }
  return z;
}

}  // namespace

std::unordered_map<int32_t, int> repeats(const std::vector<int32_t>& tokens, size_t begin,
                                         int limit) {
  const std::span<const int32_t> seen = std::span(tokens).subspan(begin);
  const std::vector<int> endings = common_endings(seen);
  std::unordered_map<int32_t, int> longest;
  for (size_t i = 1; i < seen.size(); ++i) {
    const int length = std::min(endings[i], limit);
    if (length == 0) continue;
    int& known = longest[seen[seen.size() - i]];  // what came after
    known = std::max(known, length);
  }
  return longest;
}

int Dry::since_breaker(int most) const {
  int count = 0;
  while (count < most && !is_breaker(tokens_[tokens_.size() - 1 - static_cast<size_t>(count)])) {
    ++count;
  }
  return count;
}

void Dry::apply(Candidates& candidates) {
  const size_t window =
      options_.window == 0 ? tokens_.size() : std::min(options_.window, tokens_.size());
  const int limit = since_breaker(static_cast<int>(window));
  if (limit < options_.allowed_length) return;
  for (const auto& [id, length] : repeats(tokens_, tokens_.size() - window, limit)) {
    if (length < options_.allowed_length || is_breaker(id)) continue;
    Candidate* candidate = candidates.find(id);
    if (candidate == nullptr) continue;
    const double penalty =
        options_.multiplier * std::pow(double{options_.base}, length - options_.allowed_length);
    // A long repeat's penalty may be more than a float holds; the token stays possible.
    constexpr double kMost = 1e30;
    candidate->logit -= static_cast<float>(std::min(penalty, kMost));
  }
}

}  // namespace octavo
