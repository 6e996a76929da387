#include "plain_line_editor.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "interrupts.h"

namespace octavo::cli {

LineOutcome PlainLineEditor::read(const std::string& prompt, std::string& line) {
  if (shown_) std::fputs(prompt.c_str(), stderr);
  size_t end = unread_.find('\n');
  while (end == std::string::npos) {
    if (shown_) {
      const Interrupts::Event event = Interrupts::wait_for_input(STDIN_FILENO);
      if (event == Interrupts::Event::kSignal) continue;
      if (event == Interrupts::Event::kInterrupt) {
        unread_.clear();
        std::fputs("\n", stderr);
        return LineOutcome::kCleared;
      }
    }
    char bytes[4096];
    const ssize_t count = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      line = std::exchange(unread_, {});
      return line.empty() ? LineOutcome::kEnd : LineOutcome::kLine;  // a last line without an end
    }
    const size_t before = unread_.size();
    unread_.append(bytes, static_cast<size_t>(count));
    end = unread_.find('\n', before);
  }
  line = unread_.substr(0, end);
  unread_.erase(0, end + 1);
  return LineOutcome::kLine;
}

std::unique_ptr<LineEditor> make_script_reader() {
  return std::make_unique<PlainLineEditor>(false);
}

}  // namespace octavo::cli
