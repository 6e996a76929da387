// Whether a JSON value is valid by a schema, for the keywords that octavo makes grammars of;
// written without a look at how it does.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace octavo::test {

/// Empty: valid. Otherwise what is wrong. Throws std::runtime_error for keywords it does not know.
std::string why_invalid(const nlohmann::json& value, const nlohmann::json& schema,
                        const nlohmann::json& root);

}  // namespace octavo::test
