#include "text/sampling/truncation.h"

#include <limits>

namespace octavo {

void Typical::apply(Candidates& candidates) {
  candidates.at(0);  // the best is known from here on
  struct Surprise {
    double distance;
    size_t index;
  };
  const double total = candidates.total(), entropy = candidates.entropy();
  std::vector<Surprise> heap;
  heap.reserve(candidates.size());
  std::vector<double> likelihoods;
  likelihoods.reserve(candidates.size());
  for (const Candidate& candidate : candidates.all()) {
    likelihoods.push_back(candidates.likelihood(candidate));
    // An impossible token's is infinite.
    const double surprise = std::log(total) - std::log(likelihoods.back());
    heap.push_back({std::abs(surprise - entropy), heap.size()});
  }
  const auto farther = [](const Surprise& a, const Surprise& b) {
    return a.distance != b.distance ? a.distance > b.distance : a.index > b.index;
  };
  std::make_heap(heap.begin(), heap.end(), farther);
  std::vector<bool> kept(candidates.size());
  double sum = 0;
  do {
    std::pop_heap(heap.begin(), heap.end(), farther);
    kept[heap.back().index] = true;
    sum += likelihoods[heap.back().index];
    heap.pop_back();
  } while (!heap.empty() && sum < mass_ * total);
  candidates.keep_if([&kept](const Candidate&, size_t index) { return kept[index]; });
}

void TopP::apply(Candidates& candidates) {
  double cumulative = candidates.likelihood(candidates.at(0));
  const double wanted = mass_ * candidates.total();
  size_t count = 1;
  while (count < candidates.size() && cumulative < wanted) {
    cumulative += candidates.likelihood(candidates.at(count++));
  }
  candidates.keep_best(count);
}

void MinP::apply(Candidates& candidates) {
  const double best = candidates.at(0).logit;
  // Far from the bound there is no need for exp.
  const double near = std::log(share_) - 1e-3;
  candidates.keep_if([&](const Candidate& candidate, size_t) {
    return candidate.logit - best > near && candidates.likelihood(candidate) >= share_;
  });
}

void Xtc::apply(Candidates& candidates) {
  if (random_.uniform() >= probability_) return;
  candidates.at(0);
  const double least = threshold_ * candidates.total();
  size_t count = 0;
  while (count < candidates.size() && candidates.likelihood(candidates.at(count)) >= least) {
    ++count;
  }
  if (count > 1) candidates.drop_best(count - 1);
}

}  // namespace octavo
