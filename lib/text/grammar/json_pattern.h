// Regular expressions of a JSON schema's strings, as GBNF.
#pragma once

#include <string>
#include <string_view>

namespace octavo {

/// The inside of a JSON string (without quotes) that matches `pattern`: ECMA-262 without
/// assertions and back references. Uses the rule `any_character`. Throws Error(kUnsupported) or
/// Error(kInvalidArgument); `where` stands in front.
std::string pattern_to_gbnf(std::string_view pattern, std::string_view any_character,
                            std::string_view where);

}  // namespace octavo
