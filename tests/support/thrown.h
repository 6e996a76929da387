// What a call throws: the code to compare, the message to read.
#pragma once

#include <optional>
#include <string>

#include "octavo/error.hpp"

namespace octavo::test {

struct Thrown {
  std::optional<ErrorCode> code;  ///< none: nothing was thrown
  std::string message;
};

/// Lets everything but octavo::Error through.
template <class Call>
Thrown thrown_by(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {};
}

}  // namespace octavo::test
