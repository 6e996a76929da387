// `octavo chat` from the first prompt to the last: messages, commands, Ctrl-C.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "conversation.h"
#include "line_editor.h"

namespace octavo::cli {

class ChatLoop {
 public:
  /// `terminal`: somebody types; otherwise lines come from a file or a pipe, and the first failure
  /// ends it. From here on Ctrl-C is the loop's.
  ChatLoop(Conversation& conversation, bool terminal);

  /// `first`: a message to begin with; empty: none. Returns the exit code.
  int run(const std::string& first);

 private:
  struct Command;
  static const Command kCommands[];

  LineOutcome read_message(std::string& message);
  /// A message or a command; false: the loop ends.
  bool handle(const std::string& text);
  bool run_command(std::string_view text);
  void answer(const std::string& text);

  bool help(const std::string& argument);
  bool reset(const std::string& argument);
  bool set_system(const std::string& argument);
  bool save(const std::string& argument);
  bool load(const std::string& argument);
  bool stats(const std::string& argument);
  bool leave(const std::string& argument);

  Conversation& conversation_;
  const bool terminal_;
  const std::unique_ptr<LineEditor> editor_;
  Answer last_;
  int64_t answers_ = 0;
  bool stopped_ = false;  ///< by Ctrl-C, where that ends a script
};

}  // namespace octavo::cli
