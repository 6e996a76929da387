// A line for the shell, run to its end.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace octavo::test {

struct CommandOutcome {
  int exit_code = -1;  ///< -1: killed by a signal
  std::string output;  ///< both streams
};

inline CommandOutcome run_command(const std::string& line) {
  std::FILE* pipe = ::popen(("{ " + line + "\n} 2>&1 < /dev/null").c_str(), "re");
  if (pipe == nullptr) throw std::runtime_error("cannot run: " + line);
  CommandOutcome outcome;
  std::array<char, 4096> buffer;
  for (size_t count = 0; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    outcome.output.append(buffer.data(), count);
  }
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  return outcome;
}

}  // namespace octavo::test
