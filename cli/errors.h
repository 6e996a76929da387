// Throwing octavo::Error with a formatted message, as the library does it.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "octavo/error.hpp"

namespace octavo::cli {

/// Throws Error(code) with a message formatted as by fmt::format.
template <class... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> message, Args&&... args) {
  throw Error(code, fmt::format(message, std::forward<Args>(args)...));
}

/// What somebody typed, fit for a message of one line.
inline std::string printable(std::string_view text) {
  constexpr size_t kLongest = 100;
  std::string out(text.substr(0, kLongest));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  if (text.size() > kLongest) out += "...";
  return out;
}

}  // namespace octavo::cli
