// A template's text to tokens, with the white space around blocks taken away as Hugging Face sets
// Jinja: trim_blocks and lstrip_blocks on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octavo::jinja {

enum class TokenKind : uint8_t {
  kText,         ///< outside of blocks
  kBeginOutput,  ///< {{
  kEndOutput,    ///< }}
  kBeginBlock,   ///< {%
  kEndBlock,     ///< %}
  kName,         ///< a word
  kString,       ///< without its quotes, escapes resolved
  kInteger,
  kFloat,
  kOperator,  ///< + == [ ...
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;
  int line = 1;
};

/// Throws Error(kFormat) or Error(kUnsupported). The last token is kEnd.
std::vector<Token> tokenize_template(std::string_view source);

}  // namespace octavo::jinja
