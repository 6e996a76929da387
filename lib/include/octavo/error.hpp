// The one exception type of the library.
#pragma once

#include <stdexcept>
#include <string>

#include "octavo/export.h"

namespace octavo {

/// What kind of thing went wrong; the message says which file, which tensor and what to do.
enum class ErrorCode {
  kInvalidArgument,  ///< an option or a call that cannot be honoured
  kIo,               ///< a file that cannot be opened, read, written or mapped
  kFormat,           ///< a file that is damaged, cut short, or not what it says
  kUnsupported,      ///< a valid file or request that this build does not know
  kOutOfRange,       ///< more tokens than the context holds
  kCancelled,        ///< ended because the caller asked for it
};

/// Thrown at load and configuration. what() is one line that a user can act on.
class OCTAVO_API Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace octavo
