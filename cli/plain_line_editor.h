// Lines without editing of our own.
#pragma once

#include "line_editor.h"

namespace octavo::cli {

class PlainLineEditor final : public LineEditor {
 public:
  /// `shown`: whether prompts are written, to standard error.
  explicit PlainLineEditor(bool shown) : shown_(shown) {}
  LineOutcome read(const std::string& prompt, std::string& line) override;
  void remember(const std::string&) override {}

 private:
  bool shown_;
};

}  // namespace octavo::cli
