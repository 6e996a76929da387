#include "interrupts.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "errors.h"
#include "signals_cancel.h"

namespace octavo::cli {
namespace {

volatile std::sig_atomic_t is_requested = 0;
// A byte for each Ctrl-C: unlike a flag it can be waited for together with input, so that none is
// missed between looking and waiting, whichever thread the system gives the signal to.
int pipe_ends[2] = {-1, -1};

void on_interrupt(int) {
  const int kept = errno;
  is_requested = 1;
  SignalsCancel::cancel();
  // A full pipe says it already.
  [[maybe_unused]] const ssize_t written = ::write(pipe_ends[1], "", 1);
  errno = kept;
}

}  // namespace

void Interrupts::catch_all() {
  if (pipe_ends[0] < 0 && ::pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    fail(ErrorCode::kIo, "cannot make a pipe for Ctrl-C: {}", std::strerror(errno));
  }
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
}

bool Interrupts::requested() { return is_requested != 0; }

void Interrupts::clear() {
  is_requested = 0;
  char bytes[64];
  while (::read(pipe_ends[0], bytes, sizeof bytes) > 0) {
  }
}

Interrupts::Event Interrupts::wait_for_input(int descriptor) {
  struct pollfd waited[] = {{descriptor, POLLIN, 0}, {pipe_ends[0], POLLIN, 0}};
  const int count = ::poll(waited, 2, -1);
  if (count > 0 && waited[1].revents != 0) return Event::kInterrupt;
  // What else went wrong is found by whoever reads.
  return count < 0 && errno == EINTR ? Event::kSignal : Event::kInput;
}

}  // namespace octavo::cli
