// Ctrl-C reaches the session that is at work: its call ends within a layer.
#pragma once

#include "octavo/octavo.hpp"

namespace octavo::cli {

/// While it lives, handlers can cancel the session's calls. One at a time.
class SignalsCancel {
 public:
  explicit SignalsCancel(Session& session);
  ~SignalsCancel();
  SignalsCancel(const SignalsCancel&) = delete;
  SignalsCancel& operator=(const SignalsCancel&) = delete;

  /// For signal handlers.
  static void cancel();
};

}  // namespace octavo::cli
