// Editing and history through libedit, and pasting of several lines, which it does not know.
#include <histedit.h>
#include <unistd.h>

#include <clocale>
#include <csignal>
#include <cstdio>
#include <cwchar>

#include "interrupts.h"
#include "line_editor.h"

namespace octavo::cli {
namespace {

// A terminal in this mode puts these keys around what is pasted.
constexpr const char* kBracketsOn = "\033[?2004h";
constexpr const char* kBracketsOff = "\033[?2004l";
constexpr const char* kPasteBegin = "\033[200~";
constexpr std::wstring_view kPasteEnd = L"\033[201~";

volatile std::sig_atomic_t resized = 0;

/// Editing needs to know what a character is.
void use_utf8() {
  std::setlocale(LC_CTYPE, "");
  if (MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
}

class LibeditLineEditor final : public LineEditor {
 public:
  LibeditLineEditor() {
    use_utf8();
    editor_ = ::el_init("octavo", stdin, stderr, stderr);
    history_ = ::history_init();
    HistEvent event;
    ::history(history_, &event, H_SETSIZE, 1000);
    ::history(history_, &event, H_SETUNIQUE, 1);
    ::el_set(editor_, EL_CLIENTDATA, this);
    ::el_set(editor_, EL_PROMPT, &LibeditLineEditor::prompt_of);
    ::el_set(editor_, EL_EDITOR, "emacs");
    ::el_set(editor_, EL_HIST, &::history, history_);
    ::el_set(editor_, EL_GETCFN, &LibeditLineEditor::read_character);
    ::el_set(editor_, EL_ADDFN, "octavo-paste", "Insert what is pasted", &LibeditLineEditor::paste);
    ::el_set(editor_, EL_ADDFN, "octavo-newline", "Go on in the next line",
             &LibeditLineEditor::newline);
    ::el_source(editor_, nullptr);  // the user's own keys, ~/.editrc
    ::el_set(editor_, EL_BIND, kPasteBegin, "octavo-paste", nullptr);
    ::el_set(editor_, EL_BIND, "\033\r", "octavo-newline", nullptr);
    ::el_set(editor_, EL_BIND, "\033\n", "octavo-newline", nullptr);
    struct sigaction action = {};
    action.sa_handler = [](int) { resized = 1; };
    ::sigaction(SIGWINCH, &action, nullptr);
  }
  ~LibeditLineEditor() override {
    ::history_end(history_);
    ::el_end(editor_);
  }
  LibeditLineEditor(const LibeditLineEditor&) = delete;
  LibeditLineEditor& operator=(const LibeditLineEditor&) = delete;

  LineOutcome read(const std::string& prompt, std::string& line) override {
    prompt_ = prompt;
    cleared_ = false;
    std::fputs(kBracketsOn, stderr);
    int count = 0;
    const char* typed = ::el_gets(editor_, &count);
    std::fputs(kBracketsOff, stderr);
    if (typed == nullptr || count <= 0) {
      std::fputs("\n", stderr);
      return cleared_ ? LineOutcome::kCleared : LineOutcome::kEnd;
    }
    line.assign(typed, static_cast<size_t>(count));
    if (line.ends_with('\n')) line.pop_back();
    return LineOutcome::kLine;
  }

  void remember(const std::string& text) override {
    HistEvent event;
    ::history(history_, &event, H_ENTER, text.c_str());
  }

 private:
  static LibeditLineEditor& self(EditLine* editor) {
    void* data = nullptr;
    ::el_get(editor, EL_CLIENTDATA, &data);
    return *static_cast<LibeditLineEditor*>(data);
  }
  static char* prompt_of(EditLine* editor) { return self(editor).prompt_.data(); }

  /// libedit's own reader knows nothing of Ctrl-C, so this one stands in its place.
  static int read_character(EditLine* editor, wchar_t* character) {
    std::mbstate_t state = {};
    for (;;) {
      if (resized != 0) {
        resized = 0;
        ::el_resize(editor);
      }
      const Interrupts::Event event = Interrupts::wait_for_input(STDIN_FILENO);
      if (event == Interrupts::Event::kSignal) continue;
      if (event == Interrupts::Event::kInterrupt) {
        self(editor).cleared_ = true;
        return -1;
      }
      char byte = 0;
      const ssize_t count = ::read(STDIN_FILENO, &byte, 1);
      if (count <= 0) return static_cast<int>(count);
      const size_t length = std::mbrtowc(character, &byte, 1, &state);
      if (length == static_cast<size_t>(-2)) continue;  // more bytes belong to it
      if (length == static_cast<size_t>(-1)) *character = L'\xFFFD';
      return 1;
    }
  }

  static unsigned char paste(EditLine* editor, int) {
    std::wstring text;
    wchar_t character = 0;
    while (!text.ends_with(kPasteEnd)) {
      if (::el_wgetc(editor, &character) != 1) return CC_EOF;
      text += character == L'\r' ? L'\n' : character;
    }
    text.resize(text.size() - kPasteEnd.size());
    return ::el_winsertstr(editor, text.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  }
  static unsigned char newline(EditLine* editor, int) {
    return ::el_winsertstr(editor, L"\n") == 0 ? CC_REFRESH : CC_ERROR;
  }

  EditLine* editor_ = nullptr;
  History* history_ = nullptr;
  std::string prompt_;
  bool cleared_ = false;
};

}  // namespace

std::unique_ptr<LineEditor> make_line_editor() { return std::make_unique<LibeditLineEditor>(); }

}  // namespace octavo::cli
