// Who may include whom, as a function on text, so that the rules themselves can be tested.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octavo::test {

/// One `#include` of a file; `name` as written between the quotes or brackets.
struct Include {
  std::string name;
  int line = 0;
};

/// The includes of a source text.
std::vector<Include> includes_of(std::string_view text);

/// Why the file at `path` (from the project's root) may not include `name`; nothing if it may.
std::optional<std::string> broken_rule(std::string_view path, std::string_view name);

}  // namespace octavo::test
