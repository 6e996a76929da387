// Whole texts against grammars, byte by byte.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "text/grammar/gbnf_parser.h"
#include "text/grammar/grammar.h"
#include "text/grammar/matcher.h"

namespace octavo::test {

inline std::shared_ptr<const Grammar> compiled(std::string_view gbnf) {
  return std::make_shared<const Grammar>(compile_grammar(parse_gbnf(gbnf)));
}

/// The state after `text`.
inline GrammarMatcher::State state_after(GrammarMatcher& matcher, std::string_view text) {
  GrammarMatcher::State state = GrammarMatcher::kStart;
  for (const char byte : text) {
    if (state == GrammarMatcher::kDead) break;
    state = matcher.next(state, static_cast<uint8_t>(byte));
  }
  return state;
}

inline bool matches(std::string_view gbnf, std::string_view text) {
  GrammarMatcher matcher(compiled(gbnf));
  const GrammarMatcher::State state = state_after(matcher, text);
  return state != GrammarMatcher::kDead && matcher.may_end(state);
}

}  // namespace octavo::test
