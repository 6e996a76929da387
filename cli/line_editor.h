// Where a line is typed.
#pragma once

#include <memory>
#include <string>

namespace octavo::cli {

enum class LineOutcome {
  kLine,     ///< a line, without its end; it may hold several when they were pasted
  kCleared,  ///< Ctrl-C: what was typed goes
  kEnd,      ///< Ctrl-D, or the end of the input
};

class LineEditor {
 public:
  virtual ~LineEditor() = default;
  virtual LineOutcome read(const std::string& prompt, std::string& line) = 0;
  /// Makes `text` the newest that the arrow keys bring back.
  virtual void remember(const std::string& text) = 0;
};

/// Reads lines as they come and writes no prompt: for scripts.
std::unique_ptr<LineEditor> make_script_reader();
/// With editing and history where this build has libedit, otherwise as the terminal does it. Ctrl-C
/// is heard through Interrupts.
std::unique_ptr<LineEditor> make_line_editor();

}  // namespace octavo::cli
