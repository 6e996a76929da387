// Throwing octavo::Error with a formatted message.
#pragma once

#include <fmt/format.h>

#include <utility>

#include "octavo/error.hpp"

namespace octavo {

/// Throws Error(code) with a message formatted as by fmt::format.
template <class... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> message, Args&&... args) {
  throw Error(code, fmt::format(message, std::forward<Args>(args)...));
}

}  // namespace octavo
