// Lines without editing of our own.
#pragma once

#include "line_editor.h"

namespace octavo::cli {

class PlainLineEditor final : public LineEditor {
 public:
  /// `shown`: whether prompts are written, to standard error, and Ctrl-C clears the line.
  explicit PlainLineEditor(bool shown) : shown_(shown) {}
  LineOutcome read(const std::string& prompt, std::string& line) override;
  void remember(const std::string&) override {}

 private:
  bool shown_;
  std::string unread_;  // what came behind the last line
};

}  // namespace octavo::cli
