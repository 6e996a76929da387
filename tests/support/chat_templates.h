// The chat templates of tests/data and what Jinja2 makes of them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "octavo/octavo.hpp"
#include "text/template/value.h"

namespace octavo::test {

/// The lines of tests/data/NAME, each a JSON value.
std::vector<nlohmann::json> json_lines(const std::string& name);
/// tests/data/chat-templates/NAME.jinja
std::string chat_template(const std::string& name);
/// A JSON array of {"role", "content"}.
std::vector<ChatMessage> messages_of(const nlohmann::json& messages);
/// The names that the goldens were rendered with.
std::vector<std::pair<std::string, jinja::Value>> template_variables(
    const std::vector<ChatMessage>& messages);

}  // namespace octavo::test
