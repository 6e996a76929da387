// The texts of all tokens as a tree of bytes, so that what a grammar says of a beginning is asked
// once for all tokens that share it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace octavo {

/// Immutable.
class TokenTrie {
 public:
  /// `at_start`: texts as they come out at the very start of a text, where PieceStream takes the
  /// space in front away.
  TokenTrie(const Tokenizer& tokenizer, bool at_start);

  int32_t vocab() const { return static_cast<int32_t>(text_begin_.size()) - 1; }
  /// What the token adds to the text: bytes, perhaps of a part of a character. Empty for control
  /// tokens and the unknown one, which no grammar allows.
  std::string_view text(int32_t id) const {
    const auto at = static_cast<size_t>(id);
    return std::string_view(texts_).substr(text_begin_[at], text_begin_[at + 1] - text_begin_[at]);
  }

  /// Nodes lie so that a node's children follow it: skipping to `end` leaves its whole branch out.
  struct Node {
    uint8_t byte;
    uint8_t depth;        ///< 0: a first byte
    int32_t end;          ///< the first node behind the branch
    int32_t first, last;  ///< its own tokens: ids()[first, last)
  };
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<int32_t>& ids() const { return ids_; }

 private:
  void add_branches();

  std::string texts_;               ///< of all tokens, one behind the other
  std::vector<size_t> text_begin_;  ///< [vocab + 1]
  std::vector<int32_t> ids_;        ///< by text
  std::vector<Node> nodes_;
};

/// The two tries of a vocabulary, each made when it is first asked for. Safe to use from several
/// threads.
class TokenTries {
 public:
  /// The tokenizer must live as long.
  explicit TokenTries(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  const TokenTrie& get(bool at_start) const;

 private:
  const Tokenizer& tokenizer_;
  mutable std::once_flag made_[2];
  mutable std::unique_ptr<const TokenTrie> tries_[2];
};

}  // namespace octavo
