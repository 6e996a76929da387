// Base64 (RFC 4648, with padding) for bytes inside JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace octavo {

std::string base64_encode(std::string_view bytes);
/// Nothing when `text` is no canonical base64.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace octavo
