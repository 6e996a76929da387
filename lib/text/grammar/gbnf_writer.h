// Parts of GBNF as text, for grammars that are made by the program.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text/grammar/code_points.h"

namespace octavo {

/// "..." with escapes; `text` is UTF-8.
std::string gbnf_literal(std::string_view text);
/// [...]; the set is not empty.
std::string gbnf_class(const CodePointSet& set);
/// Decimal numbers from `least` to `most` (not less), without leading zeros.
std::string gbnf_integers(int64_t least, int64_t most);

}  // namespace octavo
