// A grammar made ready for matching: a network of nodes over bytes, so that a character cut in two
// between tokens is a place between two nodes like any other.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/grammar/expression.h"

namespace octavo {

/// Immutable; safe to use from several threads.
struct Grammar {
  enum class Kind : uint8_t {
    kReturn,  ///< the end of a rule
    kBytes,   ///< a byte of byte_sets[a], then node b
    kCall,    ///< rule a, then node b
    kSplit,   ///< node a or node b, without a byte
  };
  struct Node {
    Kind kind;
    int32_t a, b;
  };
  static constexpr int32_t kReturnNode = 0;

  /// Bytes from `first` to `last`; then the bytes that follow at node `tail` (kReturnNode: none).
  struct Bytes {
    uint8_t first, last;
    int32_t tail;
  };

  std::vector<Node> nodes;
  std::vector<std::vector<Bytes>> byte_sets;
  std::vector<int32_t> entries;  ///< [rules], the node each begins at
  int32_t root = 0;              ///< the first node of the whole text
  /// Bytes that no set tells apart share a number below `byte_classes`.
  std::array<uint8_t, 256> byte_class = {};
  int byte_classes = 1;
};

/// Throws Error(kInvalidArgument) for a rule that begins with itself and for a grammar that is too
/// large; `source` stands in front.
Grammar compile_grammar(const GrammarText& text, std::string_view source = "the grammar");

}  // namespace octavo
