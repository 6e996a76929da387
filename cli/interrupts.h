// Ctrl-C in a conversation: it stops what is computed, or clears the line that is typed.
#pragma once

namespace octavo::cli {

/// Of the whole process: there is one keyboard.
class Interrupts {
 public:
  /// Catches SIGINT from now on.
  static void catch_all();
  static bool requested();
  /// Forgets what was requested.
  static void clear();

  enum class Event { kInput, kInterrupt, kSignal };
  /// Waits until `descriptor` can be read, Ctrl-C was pressed (also before the call), or another
  /// signal has been handled.
  static Event wait_for_input(int descriptor);
};

}  // namespace octavo::cli
