// Drafts for speculative decoding out of the text itself: what followed the last time that the
// same tokens came. Prompt lookup decoding, A. Saxena 2023,
// https://github.com/apoorvumang/prompt-lookup-decoding
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace octavo {

/// Where the newest tokens stood before.
struct TokenMatch {
  int64_t length = 0;  ///< tokens that are the same, counted up to PromptLookup::kLongest; 0: none
  int64_t next = 0;    ///< index of the token that followed
};

/// All tokens of a sequence, indexed by pairs. A token costs the same however long the sequence is.
class PromptLookup {
 public:
  /// Shortest and longest matches that are told apart.
  static constexpr int64_t kShortest = 2, kLongest = 32;

  /// Makes it hold exactly `ids`; what it held, if they begin with it, is not indexed again.
  void assign(std::span<const int32_t> ids);
  void add(int32_t id);
  int64_t size() const { return static_cast<int64_t>(ids_.size()); }

  /// The longest match of the newest tokens, among equals the latest.
  TokenMatch find() const;
  /// What `match` says comes next, `count` tokens; a repetition that reaches the end goes on.
  void draft(const TokenMatch& match, int64_t count, std::vector<int32_t>& out) const;

 private:
  /// Earlier places that are looked at.
  static constexpr int kPlaces = 32;

  static uint64_t pair_of(int32_t first, int32_t second) {
    return static_cast<uint64_t>(static_cast<uint32_t>(first)) << 32 |
           static_cast<uint32_t>(second);
  }
  int64_t common(int64_t end, int64_t other) const;

  std::vector<int32_t> ids_;
  /// [ids]: index of the same pair's second token before, -1: it is the first; and the latest.
  std::vector<int32_t> before_;
  std::unordered_map<uint64_t, int32_t> latest_;
};

}  // namespace octavo
