#include "plain_line_editor.h"

#include <cerrno>
#include <cstdio>

namespace octavo::cli {

LineOutcome PlainLineEditor::read(const std::string& prompt, std::string& line) {
  if (shown_) std::fputs(prompt.c_str(), stderr);
  line.clear();
  for (;;) {
    errno = 0;
    const int c = std::fgetc(stdin);
    if (c == '\n') return LineOutcome::kLine;
    if (c != EOF) {
      line += static_cast<char>(c);
      continue;
    }
    if (std::ferror(stdin) != 0 && errno == EINTR) {
      std::clearerr(stdin);
      if (!shown_) continue;
      std::fputs("\n", stderr);
      return LineOutcome::kCleared;
    }
    return line.empty() ? LineOutcome::kEnd : LineOutcome::kLine;  // a last line without an end
  }
}

std::unique_ptr<LineEditor> make_script_reader() {
  return std::make_unique<PlainLineEditor>(false);
}

}  // namespace octavo::cli
