// A conversation as JSON: {"format": "octavo-conversation", "version": 1, "messages": [{"role",
// "content"}, ...]}.
#pragma once

#include <string>
#include <vector>

#include "octavo/octavo.hpp"

namespace octavo::cli {

/// The file appears under its name when it is whole. Throws Error(kIo).
void save_conversation(const std::string& path, const std::vector<ChatMessage>& messages);
/// Throws Error(kIo), and Error(kFormat) for a file that is something else.
std::vector<ChatMessage> load_conversation(const std::string& path);

}  // namespace octavo::cli
