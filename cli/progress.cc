#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>

#include "commands.h"
#include "octavo/error.hpp"
#include "signals_cancel.h"

namespace octavo::cli {
namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr int kBarWidth = 24;

// A signal handler has nothing else to write to.
volatile std::sig_atomic_t stop_requested = 0;

std::string duration_text(double seconds) {
  const int64_t whole = std::lround(seconds);
  if (whole >= 3600)
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

ProgressBar::ProgressBar(std::string label, std::string unit)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(Clock::now()) {}

ProgressBar::~ProgressBar() {
  if (terminal_ && drawn_ != Clock::time_point{}) std::fputs("\r\033[K", stderr);
}

std::string ProgressBar::amount(int64_t done, int64_t total, double rate) const {
  if (!unit_.empty()) return fmt::format("{} of {} {}  {:.0f} a second", done, total, unit_, rate);
  return fmt::format("{:.2f} of {:.2f} GB  {:.0f} MB/s", static_cast<double>(done) / 1e9,
                     static_cast<double>(total) / 1e9, rate / 1e6);
}

void ProgressBar::show(int64_t done, int64_t total, const std::string& note) {
  const Clock::time_point now = Clock::now();
  if (!terminal_ || total <= 0 || (now - drawn_ < kRedraw && done < total)) return;
  drawn_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double share = static_cast<double>(done) / static_cast<double>(total);
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  const double left = rate > 0 ? static_cast<double>(total - done) / rate : 0;
  const int full = static_cast<int>(share * kBarWidth);
  const std::string bar = std::string(full, '#') + std::string(kBarWidth - full, '.');
  std::fputs(
      fmt::format("\r\033[K{} [{}] {:3.0f} %  {}  {} left{}{}", label_, bar, 100 * share,
                  amount(done, total, rate), duration_text(left), note.empty() ? "" : "  ", note)
          .c_str(),
      stderr);
  std::fflush(stderr);
}

StopRequest::StopRequest() {
  struct sigaction action = {};
  action.sa_handler = [](int) {
    stop_requested = 1;
    SignalsCancel::cancel();
  };
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool StopRequest::requested() const { return stop_requested != 0; }

int run_with_progress(const std::string& label, const std::function<void(Progress)>& work) {
  const StopRequest stop;
  try {
    ProgressBar bar(label);
    work([&](int64_t done, int64_t total) {
      bar.show(done, total);
      return !stop.requested();
    });
  } catch (const Error& error) {
    if (!stop.requested()) throw;
    std::fputs(fmt::format("octavo: {}\n", error.what()).c_str(), stderr);
    return kExitInterrupted;
  }
  return kExitDone;
}

}  // namespace octavo::cli
