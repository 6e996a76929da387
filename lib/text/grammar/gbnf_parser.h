// GBNF, llama.cpp's notation for grammars (docs/sampling.md has the dialect).
#pragma once

#include <string_view>

#include "text/grammar/expression.h"

namespace octavo {

/// Throws Error(kInvalidArgument) with the line and what is wrong there; `source` stands in front.
GrammarText parse_gbnf(std::string_view text, std::string_view source = "the grammar");

}  // namespace octavo
