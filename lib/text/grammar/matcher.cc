#include "text/grammar/matcher.h"

#include <algorithm>

#include "core/error.h"

namespace octavo {
namespace {

/// Ways to read the same text at once, for one state.
constexpr size_t kMaxPlaces = 4096;
/// What may be remembered. Frames take some 50 bytes each, places and steps 4.
constexpr size_t kMaxFrames = 1 << 20, kMaxNumbers = 1 << 24;
/// With a part of that, forgetting is due.
constexpr size_t kLarge = 8;

[[noreturn]] void fail_ambiguous() {
  fail(ErrorCode::kUnsupported,
       "the grammar is too ambiguous: one text can be read in too many ways at once");
}

}  // namespace

size_t GrammarMatcher::PlacesHash::operator()(const Places& places) const {
  uint64_t hash = 0x9E3779B97F4A7C15u;
  for (const int32_t place : places) {
    hash = (hash ^ static_cast<uint32_t>(place)) * 0x100000001B3u;
    hash ^= hash >> 29;
  }
  return hash;
}

GrammarMatcher::GrammarMatcher(std::shared_ptr<const Grammar> grammar)
    : grammar_(std::move(grammar)), classes_(static_cast<size_t>(grammar_->byte_classes)) {
  clear();
  Places places;
  ++round_;
  close(grammar_->root, 0, places);
  number_of(places);
}

void GrammarMatcher::clear() {
  frames_ = {{Grammar::kReturnNode, 0}};
  frame_numbers_.clear();
  states_.clear();
  state_numbers_.clear();
  steps_.clear();
  numbers_ = 0;
  seen_.assign(1, 0);
  round_ = 0;
}

int32_t GrammarMatcher::frame(int32_t node, int32_t outer) {
  const uint64_t key = static_cast<uint64_t>(node) << 32 | static_cast<uint32_t>(outer);
  const auto [entry, is_new] =
      frame_numbers_.try_emplace(key, static_cast<int32_t>(frames_.size()));
  if (is_new) {
    if (frames_.size() >= kMaxFrames) fail_ambiguous();
    frames_.push_back({node, outer});
    seen_.push_back(0);
  }
  return entry->second;
}

void GrammarMatcher::close(int32_t node, int32_t outer, Places& places) {
  const auto visit = [this](int32_t at, int32_t then) {
    // The end of the whole text is frame 0 itself.
    const bool is_end = at == Grammar::kReturnNode && then == 0;
    const int32_t number = is_end ? 0 : frame(at, then);
    if (seen_[static_cast<size_t>(number)] == round_) return;
    seen_[static_cast<size_t>(number)] = round_;
    pending_.push_back(number);
  };
  pending_.clear();
  visit(node, outer);
  while (!pending_.empty()) {
    const int32_t number = pending_.back();
    pending_.pop_back();
    const Frame at = frames_[static_cast<size_t>(number)];
    const auto [kind, a, b] = grammar_->nodes[static_cast<size_t>(at.node)];
    if (number == 0 || kind == Grammar::Kind::kBytes) {
      places.push_back(number);
      if (places.size() > kMaxPlaces) fail_ambiguous();
    } else if (kind == Grammar::Kind::kSplit) {
      visit(b, at.outer);
      visit(a, at.outer);
    } else if (kind == Grammar::Kind::kCall) {
      visit(grammar_->entries[static_cast<size_t>(a)], frame_behind(b, at.outer));
    } else {
      const Frame outside = frames_[static_cast<size_t>(at.outer)];
      visit(outside.node, outside.outer);
    }
  }
}

GrammarMatcher::State GrammarMatcher::number_of(Places& places) {
  if (places.empty()) return kDead;
  std::sort(places.begin(), places.end());
  const auto [entry, is_new] =
      state_numbers_.try_emplace(places, static_cast<State>(states_.size()));
  if (is_new) {
    numbers_ += places.size() + classes_;
    if (numbers_ > kMaxNumbers) fail_ambiguous();
    states_.push_back(&entry->first);
    steps_.resize(states_.size() * classes_, kUnknown);
  }
  return entry->second;
}

GrammarMatcher::State GrammarMatcher::find_next(State state, uint8_t byte) {
  Places places;
  ++round_;
  for (const int32_t number : *states_[static_cast<size_t>(state)]) {
    if (number == 0) continue;
    const Frame at = frames_[static_cast<size_t>(number)];
    const auto [kind, set, next] = grammar_->nodes[static_cast<size_t>(at.node)];
    for (const auto& [first, last, tail] : grammar_->byte_sets[static_cast<size_t>(set)]) {
      if (byte < first || byte > last) continue;
      if (tail == Grammar::kReturnNode) {
        close(next, at.outer, places);
      } else {
        close(tail, frame_behind(next, at.outer), places);
      }
    }
  }
  const State found = number_of(places);
  steps_[static_cast<size_t>(state) * classes_ + grammar_->byte_class[byte]] = found;
  return found;
}

bool GrammarMatcher::is_large() const {
  return frames_.size() > std::max(kMaxFrames / kLarge, 2 * kept_frames_) ||
         numbers_ > kMaxNumbers / kLarge;
}

GrammarMatcher::State GrammarMatcher::forget_all_but(State kept) {
  // Each place as the nodes of its frames, innermost first.
  std::vector<std::vector<int32_t>> ways;
  for (int32_t number : *states_[static_cast<size_t>(kept)]) {
    std::vector<int32_t>& way = ways.emplace_back();
    for (; number != 0; number = frames_[static_cast<size_t>(number)].outer) {
      way.push_back(frames_[static_cast<size_t>(number)].node);
    }
  }
  clear();
  Places places;
  for (const std::vector<int32_t>& way : ways) {
    int32_t number = 0;
    for (auto node = way.rbegin(); node != way.rend(); ++node) number = frame(*node, number);
    places.push_back(number);
  }
  kept_frames_ = frames_.size();
  return number_of(places);
}

}  // namespace octavo
