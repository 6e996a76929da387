// The program in a terminal of its own, as somebody who types sees it.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string>
#include <vector>

namespace octavo::test {

class Terminal {
 public:
  explicit Terminal(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), OCTAVO_PROGRAM);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    struct winsize size = {24, 80, 0, 0};
    process_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
    if (process_ < 0) throw std::runtime_error("forkpty");
    if (process_ == 0) {
      ::setenv("TERM", "xterm", 1);
      ::setenv("LC_ALL", "C.UTF-8", 1);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
  }
  ~Terminal() {
    ::close(terminal_);
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(const std::string& keys) {
    if (::write(terminal_, keys.data(), keys.size()) != static_cast<ssize_t>(keys.size())) {
      throw std::runtime_error("write to the terminal");
    }
  }
  /// Waits until `text` is on the screen behind what was waited for before; returns what came with
  /// it. Empty when the program ends or two minutes pass first.
  std::string wait_for(const std::string& text) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    for (;;) {
      const size_t at = unread_.find(text);
      if (at != std::string::npos) {
        const std::string seen = unread_.substr(0, at + text.size());
        unread_.erase(0, at + text.size());
        return seen;
      }
      if (std::chrono::steady_clock::now() > end || !read_more()) return "";
    }
  }
  const std::string& unread() const { return unread_; }

  /// Waits for the program's end; its exit code, or -1.
  int finish() {
    while (read_more()) {
    }
    int status = 0;
    ::waitpid(process_, &status, 0);
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  bool read_more() {
    struct pollfd ready = {terminal_, POLLIN, 0};
    const int count = ::poll(&ready, 1, 120'000);
    char buffer[4096];
    const ssize_t bytes = count > 0 ? ::read(terminal_, buffer, sizeof buffer) : 0;
    if (bytes > 0) unread_.append(buffer, static_cast<size_t>(bytes));
    return bytes > 0;
  }

  int terminal_ = -1;
  pid_t process_ = -1;
  std::string unread_;
};

}  // namespace octavo::test
