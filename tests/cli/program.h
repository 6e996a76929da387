// Runs the real program and looks at what a user would see.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/files.h"
#include "support/temp_dir.h"

extern "C" char** environ;

namespace octavo::test {

struct Outcome {
  int exit_code = -1;  ///< -1: killed by a signal
  int signal = 0;
  std::string out, err;
};

/// The program while it runs: standard input from a file, standard output through a pipe, standard
/// error into a file.
class Program {
 public:
  explicit Program(const std::vector<std::string>& arguments) : Program(arguments, Input{}) {}
  struct Input {
    std::string path = "/dev/null";
  };
  Program(const std::vector<std::string>& arguments, Input input) : input_(std::move(input.path)) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    out_ = ends[0];
    spawn(arguments, ends[1]);
    ::close(ends[1]);
  }
  /// Standard output into a file instead, for example /dev/full.
  Program(const std::vector<std::string>& arguments, const std::string& output) {
    const int descriptor = ::open(output.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) throw std::runtime_error("open " + output);
    spawn(arguments, descriptor);
    ::close(descriptor);
  }
  ~Program() {
    close_output();
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// Waits for some output; empty at its end.
  std::string read_some() {
    char buffer[4096];
    const ssize_t count = out_ < 0 ? 0 : ::read(out_, buffer, sizeof buffer);
    return {buffer, count > 0 ? static_cast<size_t>(count) : 0};
  }
  void close_output() {
    if (out_ >= 0) ::close(out_);
    out_ = -1;
  }
  void send(int signal) { ::kill(process_, signal); }

  /// Reads on to the end and waits.
  Outcome finish() {
    Outcome outcome;
    for (std::string part; !(part = read_some()).empty();) outcome.out += part;
    int status = 0;
    ::waitpid(process_, &status, 0);
    process_ = -1;
    if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
    outcome.err = read_file(folder_.file("stderr"));
    return outcome;
  }

 private:
  void spawn(const std::vector<std::string>& arguments, int output) {
    std::vector<char*> argv = {const_cast<char*>(OCTAVO_PROGRAM)};
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, input_.c_str(), O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, folder_.file("stderr").c_str(),
                                       O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const int error =
        ::posix_spawn(&process_, OCTAVO_PROGRAM, &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw std::runtime_error("cannot start " OCTAVO_PROGRAM);
  }

  const std::string input_ = "/dev/null";
  TempDir folder_;
  pid_t process_ = -1;
  int out_ = -1;
};

inline Outcome run_program(const std::vector<std::string>& arguments) {
  return Program(arguments).finish();
}

/// A folder with pocket-mixtral, converted by the program itself.
class ConvertedPocket {
 public:
  explicit ConvertedPocket(const std::string& type = "bf16") {
    const Outcome outcome =
        run_program({"convert", pocket_mixtral().string(), "--to", path(), "--type", type});
    if (outcome.exit_code != 0) throw std::runtime_error("convert failed: " + outcome.err);
  }
  std::string path() const { return folder_.file("pocket.8vo"); }
  std::string file(std::string_view name) const { return folder_.file(name); }

 private:
  TempDir folder_;
};

}  // namespace octavo::test
