// A progress bar on standard error, and Ctrl-C for commands that can stop without loss.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "octavo/progress.hpp"

namespace octavo::cli {

/// One line that is drawn over and over: share done, work a second, time left. Draws nothing when
/// standard error is no terminal.
class ProgressBar {
 public:
  /// What is counted: bytes, or `unit` by name.
  explicit ProgressBar(std::string label, std::string unit = "");
  /// Leaves a clean line.
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// `note` stands at the line's end, such as a result so far.
  void show(int64_t done, int64_t total, const std::string& note = "");

 private:
  using Clock = std::chrono::steady_clock;

  std::string amount(int64_t done, int64_t total, double rate) const;

  std::string label_, unit_;
  const bool terminal_;
  const Clock::time_point start_;
  Clock::time_point drawn_;
};

/// From its making on, Ctrl-C and SIGTERM only ask to stop.
class StopRequest {
 public:
  StopRequest();
  bool requested() const;
};

/// Runs `work` with a callback that draws a bar and passes a wish to stop on. Returns the exit
/// code: kExitInterrupted, with one line on stderr, when the user stopped it.
int run_with_progress(const std::string& label, const std::function<void(Progress)>& work);

}  // namespace octavo::cli
