#include "text/prompt_lookup.h"

#include <algorithm>
#include <utility>

namespace octavo {

void PromptLookup::assign(std::span<const int32_t> ids) {
  const bool goes_on =
      ids.size() >= ids_.size() && std::equal(ids_.begin(), ids_.end(), ids.begin());
  if (!goes_on) {
    ids_.clear();
    before_.clear();
    latest_.clear();
  }
  for (size_t i = ids_.size(); i < ids.size(); ++i) add(ids[i]);
}

void PromptLookup::add(int32_t id) {
  const auto index = static_cast<int32_t>(ids_.size());
  ids_.push_back(id);
  before_.push_back(-1);
  if (index == 0) return;
  const auto [place, is_new] = latest_.try_emplace(pair_of(ids_[ids_.size() - 2], id), index);
  if (!is_new) before_.back() = std::exchange(place->second, index);
}

/// Tokens that the sequences which end with index `end` and `other` have in common.
int64_t PromptLookup::common(int64_t end, int64_t other) const {
  const int64_t most = std::min(kLongest, other + 1);
  int64_t length = 0;
  while (length < most &&
         ids_[static_cast<size_t>(end - length)] == ids_[static_cast<size_t>(other - length)]) {
    ++length;
  }
  return length;
}

TokenMatch PromptLookup::find() const {
  TokenMatch best;
  if (size() <= kShortest) return best;
  const int64_t end = size() - 1;
  int64_t other = before_[static_cast<size_t>(end)];
  for (int place = 0; place < kPlaces && other >= 0 && best.length < kLongest; ++place) {
    const int64_t length = common(end, other);
    if (length > best.length) best = {length, other + 1};
    other = before_[static_cast<size_t>(other)];
  }
  return best;
}

void PromptLookup::draft(const TokenMatch& match, int64_t count, std::vector<int32_t>& out) const {
  out.clear();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t from = match.next + i;
    out.push_back(from < size() ? ids_[static_cast<size_t>(from)]
                                : out[static_cast<size_t>(from - size())]);
  }
}

}  // namespace octavo
