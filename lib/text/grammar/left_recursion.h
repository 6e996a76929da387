// Finds rules that a matcher from left to right would never get out of.
#pragma once

#include <vector>

#include "text/grammar/grammar.h"

namespace octavo {

/// [rules of the grammar]: whether a rule can come back to its own start without a byte.
std::vector<bool> left_recursive_rules(const Grammar& grammar);

}  // namespace octavo
