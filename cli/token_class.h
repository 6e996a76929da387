// What kind of text a token stands for, to see which kind a quantization hurts.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "octavo/octavo.hpp"

namespace octavo::cli {

enum class TokenClass : uint8_t {
  kWordStart,    ///< a space, then a letter
  kWordPart,     ///< a letter without a space before it
  kNumber,       ///< digits, a space before them or not
  kPunctuation,  ///< other ASCII characters
  kWhiteSpace,   ///< nothing but spaces and line ends
  kNonAscii,     ///< any character beyond ASCII
  kOther,        ///< single bytes, control tokens
};
inline constexpr std::array<std::string_view, 7> kTokenClassNames = {
    "word start", "word part", "number", "punctuation", "white space", "non-ASCII", "other"};

/// Class of a token that adds `text` to what is before it.
TokenClass classify(std::string_view text);

/// The class of every token of the vocabulary.
std::vector<TokenClass> classify_vocabulary(const Model& model);

}  // namespace octavo::cli
