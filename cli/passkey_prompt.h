// Prompts of the passkey test (Mohtashami and Jaggi, arXiv 2305.16300): a number somewhere in a
// long text that says nothing, and a question for it at the end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/octavo.hpp"

namespace octavo::cli {

struct PasskeyPrompt {
  std::vector<int32_t> ids;
  int64_t key_first = 0;      ///< index of the sentence with the key
  int64_t answer_tokens = 0;  ///< room that is left for the answer
};

/// Cuts the test's sentences into ids once and puts them together to any length.
class PasskeyPrompts {
 public:
  /// Throws Error(kUnsupported) for a model without a tokenizer.
  explicit PasskeyPrompts(const Model& model);

  /// ids and answer_tokens make `length` tokens together; of what says nothing, `depth` percent
  /// stand before the key. Throws Error(kInvalidArgument) when not even the rest fits.
  PasskeyPrompt build(int64_t length, int64_t depth, int64_t key) const;

  /// The least length that every key of five digits fits in.
  int64_t least_length() const;

 private:
  /// Ids of `text` where it goes on after other text.
  std::vector<int32_t> continued(std::string_view text) const;
  std::vector<int32_t> key_line(int64_t key) const;
  int64_t answer_tokens(int64_t key) const;
  int64_t tokens_without_filler(int64_t key) const;
  void append_filler(std::vector<int32_t>& ids, int64_t count) const;

  const Model model_;
  std::vector<int32_t> start_;            ///< BOS and the task
  std::vector<int32_t> filler_, repeat_;  ///< the first round of sentences and any later one
  std::vector<int32_t> question_;
};

/// A key of five digits, always the same for the same arguments.
int64_t passkey(uint64_t seed, int64_t length, int64_t depth, int64_t trial);

/// Whether the first number in `answer` is the key.
bool is_passkey(std::string_view answer, int64_t key);

}  // namespace octavo::cli
