// Arithmetic, comparisons and slices, as Python has them.
#pragma once

#include <string_view>

#include "text/template/builtins.h"

namespace octavo::jinja {

/// left `name` right, of ExpressionKind::kBinary.
Value apply_operator(std::string_view name, const Value& left, const Value& right, int line,
                     Budget& budget);
Value negative(const Value& value, int line);
/// sequence[first:last:step]; undefined or none: left out.
Value slice(const Value& sequence, const Value& first, const Value& last, const Value& step,
            int line, Budget& budget);

}  // namespace octavo::jinja
