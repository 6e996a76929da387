// Tokens to a tree, by recursive descent.
#pragma once

#include <string_view>

#include "text/template/ast.h"

namespace octavo::jinja {

/// Throws Error(kFormat) for what is no Jinja and Error(kUnsupported) for what octavo does not
/// know of it, both with the line.
Statements parse_template(std::string_view source);

}  // namespace octavo::jinja
